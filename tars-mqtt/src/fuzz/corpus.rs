//! Inputs that were found by which parts of the program they reach: see `.ci/fuzz-coverage`.
//!
//! The tests look at those that are kept; `fuzz/` looks for more.

#[cfg(test)]
use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;

/// A decoder, and what must hold of it for all bytes.
#[derive(Debug)]
pub struct Target {
    /// That of the file.
    pub name: &'static str,
    /// The inputs that are kept, as hexadecimal digits, one in each line.
    pub(crate) kept: &'static str,
    /// An input to begin with.
    pub(crate) make: fn(&mut Rng) -> Vec<u8>,
    pub check: fn(&[u8]),
}

/// A target whose inputs are in the file of its name.
macro_rules! target {
    ($name:literal, $make:expr, $check:expr) => {
        $crate::fuzz::Target {
            name: $name,
            kept: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/src/fuzz/corpus/",
                $name,
                ".hex"
            )),
            make: $make,
            check: $check,
        }
    };
}

pub(crate) use target;

impl Target {
    /// Looks at what is kept.
    #[cfg(test)]
    pub(crate) fn run(&self) {
        let mut failed = Vec::new();
        let kept = self.kept.lines().count();
        assert!(kept > 20, "{}: {kept} inputs are kept", self.name);
        for input in self.seeds() {
            if catch_unwind(AssertUnwindSafe(|| (self.check)(&input))).is_err() {
                failed.push(hex(&input));
            }
        }
        assert!(failed.is_empty(), "{}: {failed:#?}", self.name);
    }

    /// Inputs to begin with: those that are kept, and made ones.
    pub fn seeds(&self) -> impl Iterator<Item = Vec<u8>> {
        let made = (0..300).map(|number| (self.make)(&mut Rng::with_seed(number)));
        self.kept.lines().map(bytes).chain(made)
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(text, 16).expect("two digits")
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
