use std::path::PathBuf;

use super::limits::Limits;
use super::users::Users;
use super::{EmbeddedBroker, thread};
use crate::error::Result;

/// Settings of an [`EmbeddedBroker`]; made by [`EmbeddedBroker::builder`].
///
/// ```no_run
/// # async fn example() -> tars_mqtt::Result<()> {
/// use tars_mqtt::broker::EmbeddedBroker;
///
/// let broker = EmbeddedBroker::builder()
///     .address("127.0.0.1:0")
///     .storage_dir("target/broker")
///     .user("sensor", "secret")
///     .start()
///     .await?;
/// # broker.stop().await
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct EmbeddedBrokerBuilder {
    pub(super) address: String,
    pub(super) storage_dir: Option<PathBuf>,
    pub(super) users: Option<Users>,
    pub(super) max_packet_size: usize,
    pub(super) limits: Limits,
}

impl EmbeddedBrokerBuilder {
    pub(super) fn new() -> Self {
        Self {
            address: "127.0.0.1:1883".to_owned(),
            storage_dir: None,
            users: None,
            max_packet_size: 1024 * 1024,
            limits: Limits::default(),
        }
    }

    /// Where to listen, as `host:port`; port 0 takes a free one. Default: `127.0.0.1:1883`, so
    /// that nobody else on the network reaches it.
    ///
    /// A host name is looked up, and its first IPv4 address taken if there is one.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Keeps retained messages and persistent sessions in this folder, over a restart. It is
    /// created if missing and locked while the broker runs. Default: all of it in memory.
    pub fn storage_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.storage_dir = Some(folder.into());
        self
    }

    /// Lets only these users in, beside those already named, and no longer anybody else.
    ///
    /// An empty list lets nobody in. Default: everybody.
    pub fn users<N, P>(mut self, users: impl IntoIterator<Item = (N, P)>) -> Self
    where
        N: Into<String>,
        P: Into<String>,
    {
        let known = self.users.get_or_insert_default();
        for (name, password) in users {
            known.insert(name.into(), password.into());
        }
        self
    }

    /// Lets this user in, and those already named, and no longer anybody else.
    pub fn user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users([(name, password)])
    }

    /// The largest packet it takes, in bytes, its fixed header of up to 5 bytes not counted.
    /// Default: 1 MiB; no less than 1021.
    ///
    /// MQTT 3.1.1 cannot tell a client of this limit: the connection that sends more is closed.
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes;
        self
    }

    /// Starts the broker; returns once it accepts connections.
    ///
    /// # Errors
    ///
    /// [`Error::Broker`](crate::Error::Broker), naming the address, if it cannot listen there;
    /// naming the folder, if that cannot be used or another broker has it.
    pub async fn start(self) -> Result<EmbeddedBroker> {
        thread::start(self, None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_it_listens_for_this_machine_only_and_keeps_everything_in_memory() {
        let builder = EmbeddedBroker::builder();
        assert_eq!(builder.address, "127.0.0.1:1883");
        assert_eq!(builder.storage_dir, None);
        assert!(builder.users.is_none());
    }
}
