/// What is kept of a text. More is not to be read on a page anyway, and would be held in memory for
/// everyone who looks at it.
const LONGEST: usize = 4000;

/// How long an id may be, in characters.
const LONGEST_ID: usize = 128;

/// An id, as far as it tells one thing from another.
pub(super) fn id(mut id: String) -> String {
    if let Some((end, _)) = id.char_indices().nth(LONGEST_ID) {
        id.truncate(end);
    }
    id
}

/// A text, without what is too much of it.
pub(super) fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_ends_with_an_ellipsis_and_between_two_characters() {
        assert_eq!(shortened("é".repeat(LONGEST)), "é".repeat(LONGEST));
        assert_eq!(shortened("é".repeat(LONGEST * 2)), "é".repeat(LONGEST) + "…");
    }
}
