use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::{Id, Object, Timestamp, bounds};

/// Asks for a movement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
pub struct MovementCommand {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When it was wanted.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// Id of the command, which frames and states repeat.
    #[serde(default)]
    pub id: Id,
    /// The movement.
    pub command: MovementAction,
    /// How to do it.
    #[serde(default)]
    pub params: Object,
}

/// Movements made of servo frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of the movements say what they are")]
pub enum MovementAction {
    #[default]
    Reset,
    Disable,
    StepForward,
    StepBackward,
    TurnLeft,
    TurnRight,
    Balance,
    Laugh,
    SwingLegs,
    Pose,
    Bow,
}

/// Where the servos are to be at one moment of a movement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
pub struct MovementFrame {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When it was made.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// Id of the command.
    pub id: String,
    /// Number of the frame.
    pub seq: i64,
    /// How many frames the movement has.
    pub total: i64,
    /// How long it takes to get there, in milliseconds.
    pub duration_ms: i64,
    /// How long to stay there, in milliseconds.
    pub hold_ms: i64,
    /// The length of the pulse for each servo, in microseconds.
    pub channels: BTreeMap<String, i64>,
    /// Whether the servos go limp afterwards.
    #[serde(default)]
    pub disable_after: bool,
    /// Whether it is the last.
    #[serde(default)]
    pub done: bool,
}

/// How a [`MovementCommand`] goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("movement.state", qos = 0)]
pub struct MovementState {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// Id of the command.
    pub id: String,
    /// What happened.
    pub event: MovementStateEvent,
    /// Number of the frame.
    pub seq: Option<i64>,
    /// What there is to say about it.
    pub detail: Option<String>,
}

/// What happens to a [`MovementCommand`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementStateEvent {
    /// It begins.
    #[default]
    Started,
    /// A frame was sent.
    FrameSent,
    /// It is done.
    Completed,
    /// It could not be done.
    Failed,
    /// It was ended early.
    Cancelled,
}

/// Asks for a movement, by the name that people call it.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("movement.test")]
pub struct TestMovementRequest {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When it was wanted.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// The movement.
    pub command: TestMovementCommand,
    /// How fast, from 0.1 to 1.
    #[serde(default = "full_speed", deserialize_with = "bounds::speed")]
    #[default = 1.0]
    pub speed: f64,
    /// How to do it.
    #[serde(default)]
    pub params: Object,
    /// What the movement is for, which statuses repeat.
    pub request_id: Option<String>,
}

fn full_speed() -> f64 {
    1.0
}

/// Movements that people ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of the movements say what they are")]
pub enum TestMovementCommand {
    #[default]
    Reset,
    StepForward,
    StepBackward,
    TurnLeft,
    TurnRight,
    Wave,
    Laugh,
    SwingLegs,
    Pezz,
    PezzDispenser,
    Now,
    Balance,
    MicDrop,
    Monster,
    Pose,
    Bow,
    Disable,
    Stop,
    MoveLegs,
    MoveArm,
}

/// Ends all movement at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("movement.stop")]
pub struct EmergencyStopCommand {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When it was wanted.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

/// How the body is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("movement.status", qos = 0)]
pub struct MovementStatusUpdate {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// What happened.
    pub event: MovementStatusEvent,
    /// The movement that it is about.
    pub command: Option<String>,
    /// What there is to say about it.
    pub detail: Option<String>,
    /// As in [`TestMovementRequest::request_id`].
    pub request_id: Option<String>,
}

/// What happens to the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementStatusEvent {
    /// The servos are there.
    #[default]
    Connected,
    /// The servos are not there.
    Disconnected,
    /// A movement begins.
    CommandStarted,
    /// A movement is done.
    CommandCompleted,
    /// A movement could not be done.
    CommandFailed,
    /// All movement was ended.
    EmergencyStop,
    /// Movement is possible again.
    StopCleared,
    /// Too many movements wait.
    QueueFull,
    /// The battery will soon be empty.
    BatteryLow,
}
