/// What makes two messages duplicates, while they are filtered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DedupeKey {
    /// The topic and the whole payload: all that a handler sees. A message that the broker delivers
    /// again is the same to the byte; one that was published again has another `ts`, and is
    /// another message.
    #[default]
    Full,
    /// Type, id, and `data.seq` or else the bytes of `data`, as the Python services of TARS do. A
    /// publisher may try again with a new `ts`; but answers of several services with the same data
    /// count as one, and so does the same event on several topics.
    Tars,
}

impl DedupeKey {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "full" => Some(Self::Full),
            "tars" => Some(Self::Tars),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Tars => "tars",
        }
    }
}
