use std::fmt;
use std::str::{Utf8Error, from_utf8};

use bytes::Bytes;

/// UTF-8 text inside a received packet, without a copy of its own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Text(Bytes);

impl Text {
    pub(crate) fn new(bytes: Bytes) -> Result<Self, Utf8Error> {
        from_utf8(&bytes)?;
        Ok(Self(bytes))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Checked again, because a few nanoseconds cost less than an allocation or `unsafe` code.
    pub(crate) fn as_str(&self) -> &str {
        from_utf8(&self.0).unwrap_or_default()
    }
}

/// As much of a text as fits into so many bytes, up to a whole character.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
