//! What is to be moved, and for whom.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::choreography::steps;
use super::pose::{Servo, Step};
use crate::contracts::{
    Id, MovementAction, MovementCommand, MovementStatusUpdate, Object, TestMovementCommand,
    TestMovementRequest,
};

/// How long a single movement of legs or an arm takes at full speed.
const SINGLE: Duration = Duration::from_millis(500);

/// A movement that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// The id that frames and states repeat.
    pub(super) id: String,
    /// The conversation.
    pub(super) conversation: String,
    pub(super) report: Report,
    pub(super) steps: Vec<Step>,
    pub(super) disable_after: bool,
}

/// How it is told how the movement goes on.
#[derive(Clone, Debug)]
pub(super) enum Report {
    /// Frame by frame.
    States,
    /// In the large, each status like this one.
    Statuses(MovementStatusUpdate),
}

/// Why a movement is not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many wait.
    QueueFull,
    /// A parameter is wrong.
    Params(String),
}

impl Order {
    pub(super) fn of_command(
        conversation: &str,
        command: MovementCommand,
    ) -> Result<Self, Refused> {
        let speed = match command.params.get("speed") {
            None => 1.0,
            Some(speed) => {
                speed.as_f64().filter(|speed| (0.1..=1.0).contains(speed)).ok_or_else(|| {
                    Refused::Params(format!("`speed` is {speed}, and must be from 0.1 to 1"))
                })?
            }
        };
        let movement = named(command.command);
        let conversation = conversation.to_owned();
        Self::new(command.id.0, conversation, Report::States, movement, speed, &command.params)
    }

    pub(super) fn of_test(
        conversation: &str,
        request: TestMovementRequest,
    ) -> Result<Self, Refused> {
        let report = Report::Statuses(status_of(&request));
        let id = request.request_id.unwrap_or(request.message_id.0);
        let conversation = conversation.to_owned();
        Self::new(id, conversation, report, request.command, request.speed, &request.params)
    }

    fn new(
        id: String,
        conversation: String,
        report: Report,
        movement: TestMovementCommand,
        speed: f64,
        params: &Object,
    ) -> Result<Self, Refused> {
        let mut steps = steps(movement);
        if matches!(movement, TestMovementCommand::MoveLegs | TestMovementCommand::MoveArm) {
            steps.push(single(params)?);
        }
        for step in &mut steps {
            step.duration = step.duration.div_f64(speed);
            step.hold = step.hold.div_f64(speed);
        }
        let disable_after = movement == TestMovementCommand::Disable;
        if disable_after {
            // A frame that changes nothing.
            steps.push(Step { to: Vec::new(), duration: Duration::ZERO, hold: Duration::ZERO });
        }
        Ok(Self { id, conversation, report, steps, disable_after })
    }
}

/// Where servos are to be, by their names.
fn single(params: &Object) -> Result<Step, Refused> {
    let to = params.iter().map(|(name, value)| {
        let known = Servo::ALL.iter().find(|(_, known)| known == name);
        let (servo, _) = known.ok_or_else(|| {
            let names = Servo::ALL.map(|(_, name)| format!("`{name}`")).join(", ");
            Refused::Params(format!("there is no servo `{name}`; there are {names}"))
        })?;
        let percent = value.as_f64().filter(|percent| (0.0..=100.0).contains(percent));
        let percent = percent.ok_or_else(|| {
            Refused::Params(format!("`{name}` is {value}, and must be from 0 to 100"))
        })?;
        Ok((*servo, percent))
    });
    let to = to.collect::<Result<Vec<_>, Refused>>()?;
    if to.is_empty() {
        let example = r#"{"left_leg": 70}"#;
        return Err(Refused::Params(format!("`params` is empty, and must be like {example}")));
    }
    Ok(Step { to, duration: SINGLE, hold: Duration::ZERO })
}

/// The status that all about a movement are like.
pub(super) fn status_of(request: &TestMovementRequest) -> MovementStatusUpdate {
    let command = match serde_json::to_value(request.command) {
        Ok(Value::String(name)) => Some(name),
        _ => None,
    };
    let request_id = request.request_id.clone();
    MovementStatusUpdate { command, request_id, message_id: Id::default(), ..Default::default() }
}

fn named(action: MovementAction) -> TestMovementCommand {
    match action {
        MovementAction::Reset => TestMovementCommand::Reset,
        MovementAction::Disable => TestMovementCommand::Disable,
        MovementAction::StepForward => TestMovementCommand::StepForward,
        MovementAction::StepBackward => TestMovementCommand::StepBackward,
        MovementAction::TurnLeft => TestMovementCommand::TurnLeft,
        MovementAction::TurnRight => TestMovementCommand::TurnRight,
        MovementAction::Balance => TestMovementCommand::Balance,
        MovementAction::Laugh => TestMovementCommand::Laugh,
        MovementAction::SwingLegs => TestMovementCommand::SwingLegs,
        MovementAction::Pose => TestMovementCommand::Pose,
        MovementAction::Bow => TestMovementCommand::Bow,
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull => write!(f, "{} movements wait already", super::WAITING),
            Self::Params(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn test(command: TestMovementCommand, speed: f64, params: &Value) -> Result<Order, Refused> {
        let params = params.as_object().unwrap().clone();
        let request = TestMovementRequest { command, speed, params, ..Default::default() };
        Order::of_test("1", request)
    }

    fn duration(order: &Order) -> Duration {
        order.steps.iter().map(|step| step.duration + step.hold).sum()
    }

    #[test]
    fn at_half_the_speed_it_takes_twice_as_long() {
        let full = test(TestMovementCommand::Bow, 1.0, &json!({})).unwrap();
        let half = test(TestMovementCommand::Bow, 0.5, &json!({})).unwrap();
        assert_eq!(duration(&half), 2 * duration(&full));
    }

    #[test]
    fn single_servos_go_where_they_are_told_to() {
        let order = test(TestMovementCommand::MoveLegs, 1.0, &json!({"left_leg": 70})).unwrap();
        assert_eq!(order.steps[0].to, [(Servo::LeftLeg, 70.0)]);
    }

    #[test]
    fn wrong_parameters_are_refused_with_what_is_right() {
        let refused =
            |params| test(TestMovementCommand::MoveArm, 1.0, &params).unwrap_err().to_string();
        assert!(
            refused(json!({"tail": 1})).starts_with("there is no servo `tail`; there are `lift`")
        );
        let error = refused(json!({"left_arm": 101}));
        assert_eq!(error, "`left_arm` is 101, and must be from 0 to 100");
        assert_eq!(refused(json!({})), r#"`params` is empty, and must be like {"left_leg": 70}"#);
        let params = Object::from_iter([("speed".to_owned(), json!(2))]);
        let command = MovementCommand { params, ..MovementCommand::default() };
        let error = Order::of_command("1", command).unwrap_err().to_string();
        assert_eq!(error, "`speed` is 2, and must be from 0.1 to 1");
    }

    #[test]
    fn to_disable_the_servos_moves_none() {
        let order = test(TestMovementCommand::Disable, 1.0, &json!({})).unwrap();
        assert!(order.disable_after && order.steps.len() == 1 && order.steps[0].to.is_empty());
    }
}
