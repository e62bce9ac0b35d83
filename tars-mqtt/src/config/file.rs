use std::path::PathBuf;

use super::environment::CONFIG_FILE;
use crate::error::{Origin, Problem};

#[cfg(feature = "config-file")]
mod table;

/// What the configuration file says.
#[derive(Default)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) values: Vec<(&'static str, String)>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    /// Nothing is known about what it holds, so what is missing may be in it.
    pub(super) unread: bool,
}

impl ConfigFile {
    pub(super) fn read(path: &str) -> Self {
        let mut this = Self { path: PathBuf::from(path), ..Self::default() };
        if let Err(reason) = this.take(path) {
            this.unread = true;
            this.problems.push(Problem::new(CONFIG_FILE, Some(path), Origin::Environment, reason));
        }
        this
    }

    #[cfg(not(feature = "config-file"))]
    #[expect(clippy::unused_self, reason = "with the feature it is filled")]
    fn take(&mut self, _path: &str) -> Result<(), String> {
        Err("needs the cargo feature `config-file` of tars-mqtt: enable it in Cargo.toml, or set \
             the environment variables in place of the file"
            .to_owned())
    }
}
