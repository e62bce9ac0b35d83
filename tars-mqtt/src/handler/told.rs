use std::fmt::{self, Write as _};

use super::Failure;
use crate::extract::RejectionKind;
use crate::panics::caught;

/// Bytes of what is told of a failure: it may have been made of a message, however large.
const LONGEST: usize = 4096;

/// Errors beneath an error that are told of: some name themselves as their cause.
const DEEPEST: usize = 16;

/// A failure in words. Whatever of the program's own it was made of is gone with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) text: String,
    /// `None` unless an argument could not be taken from the message.
    pub(super) rejection: Option<RejectionKind>,
}

impl Told {
    #[cold]
    pub(super) fn of(failure: Failure) -> Self {
        let rejection = match &failure {
            Failure::Rejected(rejection) => Some(rejection.kind()),
            _ => None,
        };
        let mut text = Limited(String::new());
        let told = caught(|| tell(&failure, &mut text));
        let dropped = caught(|| drop(failure));
        if let Err(panic) = told {
            // Writing here cannot fail.
            let _ = write!(text, " (its error panicked when it was to be shown: {panic})");
        }
        if let Err(panic) = dropped {
            let _ = write!(text, " (its error panicked when it was dropped: {panic})");
        }
        Self { text: text.0, rejection }
    }

    /// What was being done panicked as well while it was given up.
    pub(super) fn with_panic(mut self, panic: &str) -> Self {
        let mut text = Limited(std::mem::take(&mut self.text));
        let _ = write!(text, "; it panicked while it was dropped: {panic}");
        self.text = text.0;
        self
    }

    /// Whether another attempt may succeed.
    pub(super) fn is_worth_retrying(&self) -> bool {
        self.rejection.is_none()
    }
}

fn tell(failure: &Failure, text: &mut Limited) {
    let shown = match failure {
        Failure::Rejected(rejection) => write!(text, "{rejection}"),
        Failure::Failed(error) => {
            let mut shown = write!(text, "{error}");
            let mut cause = error.source();
            for _ in 0..DEEPEST {
                let Some(error) = cause else { break };
                shown = shown.and(write!(text, ": {error}"));
                cause = error.source();
            }
            shown
        }
        Failure::TimedOut(limit) => write!(text, "it did not finish within {limit:?}"),
        Failure::Panicked(message) => write!(text, "it panicked: {message}"),
    };
    if shown.is_err() {
        let _ = write!(text, " (an error that cannot be shown)");
    }
}

/// Takes so many bytes, and leaves out the rest.
struct Limited(String);

impl fmt::Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST.saturating_sub(self.0.len());
        let cut = crate::text::cut(text, room);
        self.0.push_str(cut);
        if cut.len() < text.len() && !self.0.ends_with('…') {
            self.0.push('…');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[derive(Debug)]
    struct Odd(&'static str);

    impl fmt::Display for Odd {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {
                "panics" => panic!("no words"),
                "refuses" => Err(fmt::Error),
                "long" => f.write_str(&"ü".repeat(1 << 20)),
                text => f.write_str(text),
            }
        }
    }

    impl Error for Odd {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            match self.0 {
                "loops" => Some(self),
                "deep" => panic!("no cause"),
                _ => None,
            }
        }
    }

    impl Drop for Odd {
        fn drop(&mut self) {
            assert_ne!(self.0, "stays", "it stays");
        }
    }

    fn told(text: &'static str) -> String {
        Told::of(Failure::Failed(Box::new(Odd(text)))).text
    }

    #[test]
    fn an_error_is_told_of_however_odd_it_is() {
        assert_eq!(told("plain"), "plain");
        assert_eq!(told("panics"), " (its error panicked when it was to be shown: no words)");
        assert!(told("deep").starts_with("deep (its error panicked"));
        assert_eq!(told("refuses"), " (an error that cannot be shown)");
        assert!(told("stays").contains("panicked when it was dropped"));
        assert_eq!(told("loops").matches("loops").count(), 1 + DEEPEST);
        assert!(told("long").len() < LONGEST + 10);
    }
}
