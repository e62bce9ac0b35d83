//! A service: handlers, what they share, and the connection that feeds them.

mod ending;
mod launch;
mod lifeline;
mod logging;
mod main_fn;
#[cfg(feature = "embedded-broker")]
mod meeting;
mod panics;
mod plan;
mod running;
mod signals;

use std::fmt;
use std::sync::Arc;

pub use main_fn::{MainOptions, MainResult, main, main_with_app};
pub use running::Running;

use crate::client::Client;
use crate::config::Config;
use crate::error::{BoxError, Error, Result};
use crate::extract::States;
use crate::handler::{Handler, Registration};
use crate::net::dial::Dialer;
use crate::task::BoxFuture;
use signals::Signals;

type OnReady = Box<dyn FnOnce(Client) -> BoxFuture<Result<(), BoxError>> + Send>;

/// A service that is about to run.
///
/// ```no_run
/// use tars_mqtt::prelude::*;
///
/// #[subscribe("greetings")]
/// async fn greet(State(name): State<&'static str>, greeting: String) {
///     println!("{name} heard: {greeting}");
/// }
///
/// # async fn example() -> tars_mqtt::Result<()> {
/// App::new(Config::from_env()?).state("TARS").run().await
/// # }
/// ```
#[must_use = "an app does nothing until it is run or started"]
pub struct App {
    config: Config,
    handlers: Vec<Registration>,
    states: States,
    on_ready: Vec<OnReady>,
    /// How the broker is reached, if not as the configuration says.
    pub(crate) dialer: Option<Arc<dyn Dialer>>,
    installs_logging: bool,
}

impl App {
    /// A service with every handler that is registered in the program.
    ///
    /// Handlers in a library take part once the program names it: `use handlers as _;`.
    pub fn new(config: Config) -> Self {
        let mut app = Self::bare(config);
        let place = |handler: &Registration| (handler.spec.file, handler.spec.line);
        for handler in inventory::iter::<Registration> {
            // A sort would be several KiB in every program.
            let at = app.handlers.partition_point(|earlier| place(earlier) <= place(handler));
            app.handlers.insert(at, *handler);
        }
        app
    }

    /// A service without handlers, to be given some with [`handler`](Self::handler).
    pub fn bare(config: Config) -> Self {
        Self {
            config,
            handlers: Vec::new(),
            states: States::default(),
            on_ready: Vec::new(),
            dialer: None,
            installs_logging: false,
        }
    }

    /// Adds a handler: a function annotated with [`#[subscribe]`](crate::subscribe), by its name.
    ///
    /// ```
    /// # use tars_mqtt::prelude::*;
    /// #[subscribe("a")]
    /// async fn a(payload: Bytes) {}
    ///
    /// # fn main() -> tars_mqtt::Result<()> {
    /// let app = App::bare(Config::new("mqtt://localhost", "one")?).handler::<a>();
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler<H: Handler>(mut self) -> Self {
        self.handlers.push(const { Registration::of::<H>() });
        self
    }

    /// Keeps only the handlers that are written in this module or below it, so that one program, or
    /// one library, can hold several services.
    ///
    /// ```
    /// mod kitchen {
    ///     use tars_mqtt::prelude::*;
    ///
    ///     #[subscribe("kitchen/orders")]
    ///     async fn cook(order: String) {}
    ///
    ///     pub fn service(app: App) -> App {
    ///         app.handlers_in(module_path!())
    ///     }
    /// }
    ///
    /// # use tars_mqtt::prelude::*;
    /// # fn main() -> tars_mqtt::Result<()> {
    /// let app = kitchen::service(App::new(Config::new("mqtt://localhost", "kitchen")?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn handlers_in(mut self, module: &str) -> Self {
        self.handlers.retain(|handler| handler.spec.is_in(module));
        self
    }

    /// Gives handlers something to share, which they take as [`State<T>`](crate::State). One of
    /// each type; a later one replaces an earlier one.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(state);
        self
    }

    /// What to do once the broker has acknowledged every subscription for the first time. If it
    /// returns an error, the service stops with it.
    ///
    /// ```no_run
    /// # use serde::Serialize;
    /// # use tars_mqtt::prelude::*;
    /// # #[derive(Serialize, Event)]
    /// # struct CharacterGet {}
    /// # async fn example(app: App) -> tars_mqtt::Result<()> {
    /// app.on_ready(|client: Client| async move { client.publish(&CharacterGet {}).await })
    ///     .run()
    ///     .await
    /// # }
    /// ```
    pub fn on_ready<F, Fut, T, E>(mut self, action: F) -> Self
    where
        F: FnOnce(Client) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send,
        E: Into<BoxError>,
    {
        self.on_ready.push(Box::new(|client| {
            Box::pin(async move { action(client).await.map(|_| ()).map_err(Into::into) })
        }));
        self
    }

    /// Runs until the process is told to stop (SIGINT, SIGTERM) or the client is shut down, and
    /// then stops in order. A second signal ends at once; one that follows within 50 ms counts as
    /// the same, for some programs that pass signals on send them twice.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); [`Error::OnReady`], and [`Error::Interrupted`] at a second signal.
    pub async fn run(self) -> Result<()> {
        // Compiled here, and not again in each program.
        let run: BoxFuture<Result<()>> = Box::pin(self.run_to_the_end());
        run.await
    }

    async fn run_to_the_end(self) -> Result<()> {
        if self.installs_logging {
            logging::install();
        }
        let mut signals = Signals::listen().map_err(Error::Signals)?;
        let mut running = self.launch().await?;
        let outcome = tokio::select! {
            outcome = running.served() => outcome,
            signal = signals.next() => {
                tracing::info!("{signal}: stopping");
                Ok(())
            }
        };
        tokio::select! {
            stopped = running.stop() => outcome.and(stopped),
            signal = signals.next() => {
                tracing::warn!("{signal} again: ending at once");
                Err(Error::Interrupted)
            }
        }
    }

    /// Starts and returns once the broker has acknowledged every subscription.
    ///
    /// A broker that is not there is tried again and again, with growing pauses.
    ///
    /// # Errors
    ///
    /// [`Error::NoHandlers`], [`Error::MissingState`], [`Error::Conflict`] when the service is not
    /// put together right; [`Error::Config`] and [`Error::Tls`] when its settings are not;
    /// [`Error::Refused`] and [`Error::SubscriptionRefused`] when the broker does not want it.
    pub async fn start(self) -> Result<Running> {
        let mut running = self.launch().await?;
        running.ready().await?;
        Ok(running)
    }

    pub(crate) fn installing_logging(mut self) -> Self {
        self.installs_logging = true;
        self
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("config", &self.config)
            .field("handlers", &self.handlers)
            .finish_non_exhaustive()
    }
}
