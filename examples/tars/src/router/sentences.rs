//! Cuts a text that comes piece by piece into what can be spoken at once.

use super::settings::Cut;

/// What has come of an answer.
#[derive(Debug, Default)]
pub(super) struct Sentences {
    /// What has been given out to be spoken, as it came.
    given: String,
    /// What has come since.
    pending: String,
}

impl Sentences {
    /// Takes a piece, and gives the sentences that it completes.
    pub(super) fn push(&mut self, piece: &str, cut: &Cut) -> Vec<String> {
        self.pending.push_str(piece);
        std::iter::from_fn(|| self.end(cut).map(|end| self.give(end))).flatten().collect()
    }

    /// How many bytes have come.
    pub(super) fn len(&self) -> usize {
        self.given.len() + self.pending.len()
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Option<String> {
        self.give(self.pending.len())
    }

    /// Takes the whole answer, and gives what of it has not been given out. One that is not what came,
    /// or of which nothing came, is given as it is.
    pub(super) fn complete(&mut self, whole: &str, cut: &Cut) -> Vec<String> {
        let whole = whole.trim();
        let has_begun = !self.given.is_empty() || !self.pending.is_empty();
        match whole.strip_prefix(self.given.trim()).filter(|_| has_begun) {
            Some(rest) => {
                self.pending.clear();
                let mut said = self.push(rest, cut);
                said.extend(self.finish());
                said
            }
            None => vec![whole.to_owned()],
        }
    }

    fn give(&mut self, end: usize) -> Option<String> {
        let rest = self.pending.split_off(end);
        let sentence = std::mem::replace(&mut self.pending, rest);
        self.given.push_str(&sentence);
        let is_spoken = sentence.chars().any(char::is_alphanumeric);
        is_spoken.then(|| sentence.trim().to_owned())
    }

    /// Where what is pending can be cut.
    fn end(&self, cut: &Cut) -> Option<usize> {
        let text = self.pending.as_str();
        let (shortest, longest) = if cut.boundary_only {
            (0, cut.hard_max_chars)
        } else {
            (cut.min_chars, cut.max_chars.min(cut.hard_max_chars))
        };
        let mut ends = text
            .char_indices()
            .zip(1..)
            .filter(|((_, c), length)| *length >= shortest && cut.boundary_chars.contains(*c));
        let at_boundary = ends.find_map(|((at, c), _)| boundary(text, at, c, cut));
        let Some((too_long, next)) = text.char_indices().nth(longest) else { return at_boundary };
        let at_most = &text[..too_long + next.len_utf8()];
        at_boundary
            .filter(|end| *end <= too_long)
            .or_else(|| at_most.rfind(char::is_whitespace).filter(|end| *end > 0))
            .or(Some(too_long))
    }
}

/// Where a sentence ends whose mark is here: with the marks and quotes that follow, before a space.
fn boundary(text: &str, at: usize, mark: char, cut: &Cut) -> Option<usize> {
    let belongs = |c: char| cut.boundary_chars.contains(c) || "\"'”’)]".contains(c);
    let rest = text[at + mark.len_utf8()..].trim_start_matches(belongs);
    let end = text.len() - rest.len();
    match rest.chars().next() {
        Some(next) => next.is_whitespace().then_some(end),
        // A number may go on: `3.` and then `14`.
        None => (!text[..at].ends_with(|c: char| c.is_ascii_digit())).then_some(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::settings::Settings;
    use crate::vars::Vars;

    fn cut() -> Cut {
        Settings::from_vars(&Vars::new(|_| None)).unwrap().cut
    }

    /// All that is said of pieces, and then of what is left.
    fn said(pieces: &[&str], cut: &Cut) -> Vec<String> {
        let mut sentences = Sentences::default();
        let mut said: Vec<String> =
            pieces.iter().flat_map(|piece| sentences.push(piece, cut)).collect();
        said.extend(sentences.finish());
        said
    }

    #[test]
    fn sentences_are_said_one_by_one() {
        assert_eq!(
            said(&["One. Two! Th", "ree? Fo", "ur"], &cut()),
            ["One.", "Two!", "Three?", "Four"]
        );
        assert_eq!(
            said(&["He said: \"No.\" And left."], &cut()),
            ["He said:", "\"No.\"", "And left."]
        );
        assert_eq!(said(&["Well... yes?! ", " ", "..."], &cut()), ["Well...", "yes?!"]);
    }

    #[test]
    fn a_sentence_is_said_as_soon_as_its_mark_has_come() {
        let mut sentences = Sentences::default();
        assert_eq!(sentences.push("Done.", &cut()), ["Done."]);
        assert_eq!(sentences.finish(), None);
    }

    #[test]
    fn numbers_and_names_with_dots_are_not_cut() {
        assert_eq!(said(&["Pi is 3.", "14, at 10:", "30 on example.org."], &cut()).len(), 1);
    }

    #[test]
    fn with_lengths_sentences_are_joined_and_cut() {
        let cut = Cut { boundary_only: false, min_chars: 8, max_chars: 12, ..cut() };
        assert_eq!(said(&["No. Not so. Yes."], &cut), ["No. Not so.", "Yes."]);
        assert_eq!(said(&["one two three four"], &cut), ["one two", "three four"]);
        assert_eq!(said(&["ääääääääääääääää"], &cut), ["ääääääääääää", "ääää"]);
    }

    #[test]
    fn what_never_ends_is_cut_at_the_hard_limit() {
        let cut = Cut { hard_max_chars: 10, ..cut() };
        assert_eq!(said(&["word ", "after ", "word"], &cut), ["word after", "word"]);
    }

    #[test]
    fn only_what_was_not_given_out_is_given_of_the_whole() {
        let begun = || {
            let mut sentences = Sentences::default();
            assert_eq!(sentences.push(" One. Two", &cut()), ["One."]);
            sentences
        };
        assert_eq!(begun().complete("One. Two. Three.", &cut()), ["Two.", "Three."]);
        assert_eq!(begun().complete("Some. Thing.", &cut()), ["Some. Thing."]);
        assert_eq!(Sentences::default().complete(" All. Of it. ", &cut()), ["All. Of it."]);
    }
}
