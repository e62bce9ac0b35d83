/// What is kept of a text. More is not to be read on a page anyway, and would be held in memory for
/// everyone who looks at it.
const LONGEST: usize = 4000;

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
