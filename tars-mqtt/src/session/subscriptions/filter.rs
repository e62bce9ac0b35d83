use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::qos::QoS;
use crate::session::TargetId;

/// A filter that somebody wants.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) qos: QoS,
    pub(super) order: u64,
    pub(super) wanted_by: Vec<Subscriber>,
    /// Whether it waits to be asked for.
    pub(super) queued: bool,
    /// Whether the broker may have it.
    pub(super) asked: bool,
    /// How often the broker closed the connection instead of answering.
    pub(super) closes: u32,
    /// When it is asked for again, if it was refused.
    pub(super) retry_at: Option<Instant>,
    /// How often it was refused since it was granted.
    pub(super) refusals: u32,
    /// It was refused by closing the connection, as it seems.
    pub(super) closes_connection: bool,
}

/// Who wants a filter.
#[derive(Debug)]
pub(in crate::session) struct Subscriber {
    pub(in crate::session) target: TargetId,
    /// For people: the handler and where it stands, or the client.
    pub(in crate::session) name: String,
    /// Who waits for the broker's answer.
    pub(in crate::session) done: Option<oneshot::Sender<Result<()>>>,
    /// Whether it ends with the process, so that the broker need not keep it.
    pub(in crate::session) ephemeral: bool,
}

/// What came of a SUBSCRIBE.
#[derive(Debug, Default)]
pub(in crate::session) struct Answer {
    /// Refused, and nobody has been told.
    pub(in crate::session) refused: Vec<Error>,
    /// Those who have been told that they were refused, and are subscribers no more.
    pub(in crate::session) gone: Vec<TargetId>,
    /// Granted at a lower quality of service than was asked for.
    pub(in crate::session) lowered: Vec<Lowered>,
}

/// A filter that was granted at less than was asked for (section 3.8.4).
#[derive(Debug)]
pub(in crate::session) struct Lowered {
    pub(in crate::session) filter: String,
    pub(in crate::session) subscriber: String,
    pub(in crate::session) asked: QoS,
    pub(in crate::session) granted: QoS,
}

impl Filter {
    /// The broker has agreed.
    pub(super) fn granted(&mut self, text: &str, granted: QoS, answer: &mut Answer) {
        self.closes = 0;
        (self.retry_at, self.refusals) = (None, 0);
        if granted < self.qos
            && let Some(subscriber) = self.wanted_by.first()
        {
            answer.lowered.push(Lowered {
                filter: text.to_owned(),
                subscriber: subscriber.name.clone(),
                asked: self.qos,
                granted,
            });
        }
        for subscriber in &mut self.wanted_by {
            if let Some(done) = subscriber.done.take() {
                // Whoever asked and has given up meanwhile unsubscribes.
                let _ = done.send(Ok(()));
            }
        }
    }

    /// The broker has refused it.
    pub(super) fn refused(&mut self, text: &str, answer: &mut Answer) {
        self.wanted_by.retain_mut(|subscriber| {
            let error = Error::SubscriptionRefused {
                filter: text.to_owned(),
                subscriber: subscriber.name.clone(),
            };
            if let Some(done) = subscriber.done.take() {
                // Whoever asked may have given up.
                let _ = done.send(Err(error));
                answer.gone.push(subscriber.target);
                return false;
            }
            answer.refused.push(error);
            true
        });
    }
}
