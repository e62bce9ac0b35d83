//! Does one movement after the other, until it is stopped.

use std::time::Duration;

use tars_mqtt::prelude::*;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::order::{Order, Refused, Report};
use super::pose::{Moment, Pose, trajectory};
use crate::contracts::{
    MovementFrame, MovementState, MovementStateEvent, MovementStatusEvent, MovementStatusUpdate,
};

/// How many movements wait at most.
pub const WAITING: usize = 16;

/// Where movements are ordered. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    orders: mpsc::Sender<Order>,
    stops: mpsc::Sender<oneshot::Sender<()>>,
}

/// What moves.
#[derive(Debug)]
pub(super) struct Body {
    orders: mpsc::Receiver<Order>,
    stops: mpsc::Receiver<oneshot::Sender<()>>,
    pose: Pose,
}

/// A desk, and the body that does what is ordered there.
pub(super) fn pair() -> (Desk, Body) {
    let (order, orders) = mpsc::channel(WAITING);
    let (stop, stops) = mpsc::channel(1);
    (Desk { orders: order, stops: stop }, Body { orders, stops, pose: Pose::NEUTRAL })
}

impl Desk {
    pub(super) fn take(&self, order: Order) -> Result<(), Refused> {
        self.orders.try_send(order).map_err(|_| Refused::QueueFull)
    }

    /// Returns when nothing moves any more, and nothing waits.
    pub(super) async fn stop(&self) {
        let (stopped, wait) = oneshot::channel();
        if self.stops.send(stopped).await.is_ok() {
            // Without a body nothing moves either.
            let _ = wait.await;
        }
    }
}

impl Body {
    pub(super) async fn run(mut self, client: Client) {
        loop {
            let (stopped, order) = tokio::select! {
                biased;
                Some(stopped) = self.stops.recv() => (stopped, None),
                Some(order) = self.orders.recv() => tokio::select! {
                    biased;
                    Some(stopped) = self.stops.recv() => (stopped, Some(order)),
                    () = perform(&client, &order, &mut self.pose) => continue,
                },
                else => return,
            };
            let waiting = std::iter::from_fn(|| self.orders.try_recv().ok());
            for order in order.into_iter().chain(waiting) {
                let why = Some("stopped".to_owned());
                tell(&client, &order, MovementStateEvent::Cancelled, None, why).await;
            }
            // Whoever stopped it may be gone.
            let _ = stopped.send(());
        }
    }
}

/// Does a movement, and tells how it goes on.
async fn perform(client: &Client, order: &Order, pose: &mut Pose) {
    tell(client, order, MovementStateEvent::Started, None, None).await;
    match frames(client, order, pose).await {
        Ok(()) => tell(client, order, MovementStateEvent::Completed, None, None).await,
        Err(error) => {
            let detail = Some(error.to_string());
            tell(client, order, MovementStateEvent::Failed, None, detail).await;
        }
    }
}

/// Sends the frames, each when the one before it has been done and has arrived, so that none is under
/// way when it must not be.
async fn frames(client: &Client, order: &Order, pose: &mut Pose) -> tars_mqtt::Result<()> {
    let moments = trajectory(*pose, &order.steps);
    let total = moments.len();
    let mut due = Instant::now();
    for (number, moment) in moments.into_iter().enumerate() {
        sleep_until(due).await;
        *pose = moment.pose;
        let frame = frame(order, number, total, moment);
        let sent = client.event(&frame).correlate(&*order.conversation).send().await?;
        sent.delivered().await?;
        tell(client, order, MovementStateEvent::FrameSent, Some(frame.seq), None).await;
        due += moment.duration + moment.hold;
    }
    sleep_until(due).await;
    Ok(())
}

fn frame(order: &Order, number: usize, total: usize, moment: Moment) -> MovementFrame {
    let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let done = number + 1 == total;
    MovementFrame {
        id: order.id.clone(),
        seq: count(number),
        total: count(total),
        duration_ms: milliseconds(moment.duration),
        hold_ms: milliseconds(moment.hold),
        channels: moment.pose.channels(),
        disable_after: order.disable_after && done,
        done,
        ..MovementFrame::default()
    }
}

/// Tells how a movement goes on, to those who want it in this way.
async fn tell(
    client: &Client,
    order: &Order,
    event: MovementStateEvent,
    seq: Option<i64>,
    detail: Option<String>,
) {
    let told = match &order.report {
        Report::States => {
            let id = order.id.clone();
            let state = MovementState { id, event, seq, detail, ..MovementState::default() };
            client.event(&state).correlate(&*order.conversation).send().await
        }
        Report::Statuses(status) => {
            let Some(event) = in_the_large(event) else { return };
            let status = MovementStatusUpdate { event, detail, ..status.clone() };
            client.event(&status).correlate(&*order.conversation).send().await
        }
    };
    if let Err(error) = told {
        tracing::debug!(order.id, "{event:?} could not be told: {error}");
    }
}

fn in_the_large(event: MovementStateEvent) -> Option<MovementStatusEvent> {
    match event {
        MovementStateEvent::Started => Some(MovementStatusEvent::CommandStarted),
        MovementStateEvent::FrameSent => None,
        MovementStateEvent::Completed => Some(MovementStatusEvent::CommandCompleted),
        MovementStateEvent::Failed | MovementStateEvent::Cancelled => {
            Some(MovementStatusEvent::CommandFailed)
        }
    }
}
