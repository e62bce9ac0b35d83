//! All that the page shows, and the news about it for everyone who looks at it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::conversation::{Conversation, Entry};
use super::panels::{Movement, Recalled};
use super::services::{Service, Services};
use crate::contracts::Timestamp;

/// How far a viewer may lag behind before the news are given up and all is shown anew.
const LAG: usize = 64;

/// What the page shows. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub(super) struct Board {
    view: Arc<Mutex<View>>,
    news: Sender<News>,
}

/// All of it at one moment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct View {
    /// Seconds between heartbeats.
    heartbeat: f64,
    /// Since when services are watched.
    since: Timestamp,
    /// Whether the broker is there.
    pub(super) broker: bool,
    /// What was said.
    #[serde(rename = "entries")]
    pub(super) conversation: Conversation,
    /// How the services are.
    pub(super) services: Services,
    /// What moves.
    pub(super) movement: Movement,
    /// What was last recalled.
    pub(super) memory: Option<Recalled>,
}

/// What a viewer is told.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum News {
    /// All of it, at first and after a lag.
    Snapshot(Box<View>),
    /// Something said, new or changed.
    Entry(Entry),
    /// How a service is now.
    Service(Service),
    /// What moves now.
    Movement(Movement),
    /// What was recalled.
    Memory(Recalled),
    /// Whether the broker is there.
    Broker(bool),
}

impl Board {
    /// An empty one.
    #[must_use]
    pub(super) fn new(heartbeat: Duration) -> Self {
        let view = View {
            heartbeat: heartbeat.as_secs_f64(),
            since: Timestamp::default(),
            broker: true,
            conversation: Conversation::default(),
            services: Services::default(),
            movement: Movement::default(),
            memory: None,
        };
        Self { view: Arc::new(Mutex::new(view)), news: broadcast::channel(LAG).0 }
    }

    /// Changes what is shown, and tells everyone.
    pub(super) fn change(&self, change: impl FnOnce(&mut View) -> Option<News>) {
        let mut view = self.view();
        if let Some(news) = change(&mut view) {
            // Nobody may be looking.
            let _ = self.news.send(news);
        }
    }

    /// What a viewer is told, from now on and without end: all there is, and then each change.
    pub(super) fn watch(&self) -> impl Stream<Item = News> + Send + use<> {
        stream::unfold((self.clone(), None::<Receiver<News>>), |(board, receiver)| async move {
            let Some(mut receiver) = receiver else { return Some(board.begin()) };
            match receiver.recv().await {
                Ok(news) => Some((news, (board, Some(receiver)))),
                Err(RecvError::Lagged(_)) => Some(board.begin()),
                Err(RecvError::Closed) => None,
            }
        })
    }

    fn begin(self) -> (News, (Self, Option<Receiver<News>>)) {
        // Changes are sent under the same lock, so that none is missed and none comes twice.
        let view = self.view();
        let (snapshot, receiver) = (News::Snapshot(Box::new(view.clone())), self.news.subscribe());
        drop(view);
        (snapshot, (self, Some(receiver)))
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt as _, StreamExt as _};
    use serde_json::{Value, json};

    use super::*;

    fn set_broker(board: &Board, connected: bool) {
        board.change(|view| {
            view.broker = connected;
            Some(News::Broker(connected))
        });
    }

    fn next(stream: &mut (impl Stream<Item = News> + Unpin)) -> Option<Value> {
        let news = stream.next().now_or_never()?.unwrap();
        Some(serde_json::to_value(news).unwrap())
    }

    #[test]
    fn a_viewer_sees_all_there_is_and_then_each_change() {
        let board = Board::new(Duration::from_secs(5));
        let mut news = pin!(board.watch());
        set_broker(&board, false);
        assert_eq!(next(&mut news).unwrap()["snapshot"]["broker"], false);
        set_broker(&board, true);
        assert_eq!(next(&mut news).unwrap(), json!({"broker": true}));
        assert_eq!(next(&mut news), None);
    }

    #[test]
    fn a_viewer_that_lags_is_shown_all_anew() {
        let board = Board::new(Duration::from_secs(5));
        let mut news = pin!(board.watch());
        next(&mut news).unwrap();
        for _ in 0..=LAG {
            set_broker(&board, false);
        }
        assert_eq!(next(&mut news).unwrap()["snapshot"]["broker"], false);
        assert_eq!(next(&mut news), None);
    }
}
