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

/// Of a byte: it separates levels, it is a wildcard, or it may be part of an unwanted character.
const SLASH: u8 = 1;
const WILD: u8 = 2;
const ODD: u8 = 4;

/// What each byte is. Every message that is published has its topic looked through.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte {
            0x2f => SLASH,
            0x23 | 0x2b => WILD,
            0..=0x1f | 0x7f.. => ODD,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

/// Looks for what is unwanted in a topic name or a filter, and says whether there is a wildcard.
pub(crate) fn look(text: &str) -> (Option<Unwanted>, bool) {
    let (mut slashes, mut seen) = (0, 0);
    for byte in text.bytes() {
        let kind = KINDS[usize::from(byte)];
        slashes += usize::from(kind & SLASH);
        seen |= kind;
    }
    let is_wild = seen & WILD != 0;
    // Most have none of these.
    if seen & ODD != 0
        && let Some(found) = text.chars().find(|&character| is_unwanted(character))
    {
        let unwanted = if found == '\0' { Unwanted::Nul } else { Unwanted::Character(found) };
        return (Some(unwanted), is_wild);
    }
    ((slashes >= MAX_LEVELS).then_some(Unwanted::Levels(slashes + 1)), is_wild)
}

/// Whether a server may close the connection over a character: U+0001 to U+001F, U+007F to U+009F,
/// and those that Unicode says are none (section 1.5.3). U+0000 is forbidden anyway.
#[must_use]
pub const fn is_unwanted(character: char) -> bool {
    let code = character as u32;
    matches!(code, 0..=0x1f | 0x7f..=0x9f | 0xfdd0..=0xfdef) || matches!(code & 0xffff, 0xfffe..)
}
