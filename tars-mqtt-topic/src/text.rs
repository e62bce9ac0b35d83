use crate::MAX_LEVELS;

/// What a server may answer by closing the connection, although the grammar of topics allows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unwanted {
    Nul,
    /// A control character or a non-character (section 1.5.3 lets a server close the connection).
    Character(char),
    /// More levels than servers take.
    Levels(usize),
}

/// Looks for that in a topic name or a filter.
pub(crate) fn unwanted(text: &str) -> Option<Unwanted> {
    let mut slashes = 0;
    let mut is_ascii = true;
    let mut is_plain = true;
    for byte in text.bytes() {
        slashes += usize::from(byte == b'/');
        is_ascii &= byte.is_ascii();
        is_plain &= byte >= b' ' && byte != 0x7f;
    }
    // Most are plain, and looked at once.
    if !(is_ascii && is_plain)
        && let Some(found) = text.chars().find(|&character| is_unwanted(character))
    {
        return Some(if found == '\0' { Unwanted::Nul } else { Unwanted::Character(found) });
    }
    (slashes >= MAX_LEVELS).then_some(Unwanted::Levels(slashes + 1))
}

/// Whether a server may close the connection over a character: U+0001 to U+001F, U+007F to U+009F,
/// and those that Unicode says are none (section 1.5.3). U+0000 is forbidden anyway.
#[must_use]
pub const fn is_unwanted(character: char) -> bool {
    let code = character as u32;
    matches!(code, 0..=0x1f | 0x7f..=0x9f | 0xfdd0..=0xfdef) || matches!(code & 0xffff, 0xfffe..)
}
