use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::phrases;
use crate::vars::Vars;

/// What can be set about the page.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `WEB_ADDRESS`: where it is served.
    pub address: SocketAddr,
    /// `WEB_HOSTS`: names under which it may be asked for, `|` between several, besides `localhost`
    /// and any IP address.
    pub hosts: Vec<String>,
    /// `WEB_WAKE_PHRASE`: put before what is typed; nothing if empty.
    pub wake_phrase: String,
    /// `WEB_HEARTBEAT_SEC`: how often services send a heartbeat. One that misses three is shown as
    /// silent.
    pub heartbeat: Duration,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a variable cannot be read.
    pub fn from_vars(vars: &Vars<impl Fn(&str) -> Option<String>>) -> anyhow::Result<Self> {
        let address = vars.text("WEB_ADDRESS", "127.0.0.1:8080");
        let address = address.parse().with_context(|| {
            format!("WEB_ADDRESS is {address:?}, and must be an address and a port: 0.0.0.0:8080")
        })?;
        let hosts = vars.texts("WEB_HOSTS", "");
        for host in &hosts {
            ensure!(
                !host.contains([':', '/', '*', ',']),
                "WEB_HOSTS is {host:?}, and must be a name alone: tars.local"
            );
        }
        Ok(Self {
            address,
            hosts,
            wake_phrase: vars.text("WEB_WAKE_PHRASE", "hey tars").trim().to_owned(),
            heartbeat: vars.seconds("WEB_HEARTBEAT_SEC", 5.0)?,
        })
    }

    /// What is typed, as one would say it so that the robot listens.
    #[must_use]
    pub fn addressed(&self, text: &str) -> String {
        let phrase = &self.wake_phrase;
        if phrase.is_empty() || phrases::after(text, phrase).is_some() {
            text.to_owned()
        } else {
            format!("{phrase}, {text}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> anyhow::Result<Settings> {
        Settings::from_vars(&Vars::new(|asked| (asked == name).then(|| value.to_owned())))
    }

    #[test]
    fn by_default_the_page_is_for_this_machine_alone() {
        let settings = read("OTHER", "").unwrap();
        assert_eq!(settings.address, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(settings.hosts, Vec::<String>::new());
        assert_eq!(read("WEB_HOSTS", "tars.local|tars").unwrap().hosts, ["tars.local", "tars"]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_what_to_write() {
        for (name, value, hint) in [
            ("WEB_ADDRESS", "8080", "0.0.0.0:8080"),
            ("WEB_HEARTBEAT_SEC", "often", "must be a number"),
            ("WEB_HOSTS", "http://tars.local", "a name alone"),
            ("WEB_HOSTS", "tars.local,tars", "a name alone"),
        ] {
            let error = read(name, value).unwrap_err().to_string();
            let found = format!("{name} is {value:?}, and must be");
            assert!(error.starts_with(&found) && error.contains(hint), "{error}");
        }
    }

    #[test]
    fn what_is_typed_is_addressed_to_the_robot_once() {
        let settings = read("OTHER", "").unwrap();
        assert_eq!(settings.addressed("what time is it?"), "hey tars, what time is it?");
        assert_eq!(settings.addressed("Hey, TARS! Hello."), "Hey, TARS! Hello.");
        assert_eq!(settings.addressed("é"), "hey tars, é");
        assert_eq!(read("WEB_WAKE_PHRASE", " ").unwrap().addressed("hello"), "hello");
    }
}
