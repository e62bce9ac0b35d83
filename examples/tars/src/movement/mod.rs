//! Turns movements into frames for the servos, one movement after the other.
//!
//! Movements are done in the order in which they come, up to [`WAITING`] waiting. A stop ends the one
//! under way in the middle, forgets those that wait, and is answered when no frame can follow it. A
//! message counts as handled as soon as its movement waits: nothing moves by surprise after a crash.

mod body;
mod choreography;
mod order;
mod pose;

pub use body::WAITING;
use body::{Body, Desk};
use order::Order;
use tars_mqtt::prelude::*;

use crate::contracts::{
    EmergencyStopCommand, MovementCommand, MovementState, MovementStateEvent, MovementStatusEvent,
    MovementStatusUpdate, TestMovementCommand, TestMovementRequest,
};

/// The movements. There is nothing to be set.
///
/// # Errors
///
/// None; as for every service.
pub fn service(app: App) -> anyhow::Result<App> {
    let (desk, body) = body::pair();
    Ok(app.handlers_in(module_path!()).state(desk).on_ready(|client: Client| async move {
        let connected = MovementStatusEvent::Connected;
        client.publish(&MovementStatusUpdate { event: connected, ..Default::default() }).await?;
        tokio::spawn(Body::run(body, client));
        anyhow::Ok(())
    }))
}

#[subscribe]
async fn command(
    State(desk): State<Desk>,
    context: Context,
    command: MovementCommand,
) -> Option<MovementState> {
    let id = command.id.0.clone();
    let refused = Order::of_command(context.id(), command).and_then(|order| desk.take(order));
    let failed = MovementStateEvent::Failed;
    refused.err().map(|why| MovementState {
        id,
        event: failed,
        detail: Some(why.to_string()),
        ..MovementState::default()
    })
}

#[subscribe]
async fn test(
    State(desk): State<Desk>,
    context: Context,
    request: TestMovementRequest,
) -> Option<MovementStatusUpdate> {
    if request.command == TestMovementCommand::Stop {
        return Some(stopped(&desk, "stop", request.request_id).await);
    }
    let status = order::status_of(&request);
    let refused = Order::of_test(context.id(), request).and_then(|order| desk.take(order));
    refused.err().map(|why| MovementStatusUpdate {
        event: match why {
            order::Refused::QueueFull => MovementStatusEvent::QueueFull,
            order::Refused::Params(_) => MovementStatusEvent::CommandFailed,
        },
        detail: Some(why.to_string()),
        ..status
    })
}

#[subscribe(accept_bare)]
async fn stop(State(desk): State<Desk>, stop: EmergencyStopCommand) -> MovementStatusUpdate {
    let detail = stop.reason;
    MovementStatusUpdate { detail, ..stopped(&desk, "emergency_stop", None).await }
}

/// Ends all movement; when this returns, no frame can come any more.
async fn stopped(desk: &Desk, command: &str, request_id: Option<String>) -> MovementStatusUpdate {
    desk.stop().await;
    MovementStatusUpdate {
        event: MovementStatusEvent::EmergencyStop,
        command: Some(command.to_owned()),
        request_id,
        ..MovementStatusUpdate::default()
    }
}
