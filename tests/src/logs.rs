use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

/// What the process has logged since it was first asked for.
#[derive(Clone)]
pub struct Logs(Arc<Mutex<Vec<String>>>);

impl Logs {
    /// The log of the whole process: tests that run beside each other share it.
    pub fn of_this_process() -> Self {
        static LOGS: OnceLock<Logs> = OnceLock::new();
        LOGS.get_or_init(|| {
            let logs = Self(Arc::default());
            tracing_subscriber::registry()
                .with(logs.clone().with_filter(tracing_subscriber::filter::LevelFilter::INFO))
                .init();
            logs
        })
        .clone()
    }

    /// Whether a line has been logged that contains all of these.
    pub fn contain(&self, parts: &[&str]) -> bool {
        let lines = self.0.lock().expect("no test panics while it logs");
        lines.iter().any(|line| parts.iter().all(|part| line.contains(part)))
    }

    /// How many lines contain all of these.
    pub fn count(&self, parts: &[&str]) -> usize {
        let lines = self.0.lock().expect("no test panics while it logs");
        lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("no test panics while it logs").push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}
