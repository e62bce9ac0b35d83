use crate::contracts::{FinalTranscript, Id, PartialTranscript};

/// How many partial transcripts an utterance makes at most. Longer ones take several words at once.
const PARTIALS: usize = 32;

/// Something that is said.
#[derive(Debug)]
pub(super) struct Utterance<'t> {
    id: Id,
    words: Vec<&'t str>,
    lang: &'t str,
}

impl<'t> Utterance<'t> {
    /// A line, if there is a word in it.
    pub(super) fn of(line: &'t str, lang: &'t str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        (!words.is_empty()).then(|| Self { id: Id::default(), words, lang })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What has been heard after each word but the last.
    pub(super) fn partials(&self) -> impl Iterator<Item = PartialTranscript> {
        let step = self.words.len().div_ceil(PARTIALS);
        (step..self.words.len()).step_by(step).map(|count| PartialTranscript {
            text: self.words[..count].join(" "),
            lang: self.lang.to_owned(),
            utt_id: Some(self.id.0.clone()),
            ..PartialTranscript::default()
        })
    }

    /// What has been heard in the end.
    pub(super) fn whole(&self) -> FinalTranscript {
        FinalTranscript {
            text: self.words.join(" "),
            lang: self.lang.to_owned(),
            // It was typed, which leaves no doubt.
            confidence: Some(1.0),
            utt_id: Some(self.id.0.clone()),
            ..FinalTranscript::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_heard_word_by_word() {
        let utterance = Utterance::of("  hey  tars,\thello ", "en").unwrap();
        let partials: Vec<_> = utterance.partials().map(|partial| partial.text).collect();
        assert_eq!(partials, ["hey", "hey tars,"]);
        let whole = utterance.whole();
        assert_eq!(whole.text, "hey tars, hello");
        assert!(utterance.partials().all(|partial| partial.utt_id == whole.utt_id));
        assert_eq!(whole.utt_id.as_deref(), Some(utterance.id()));
    }

    #[test]
    fn a_line_without_a_word_is_not_heard() {
        assert!(Utterance::of(" \t ", "en").is_none());
    }

    #[test]
    fn a_long_one_is_heard_in_fewer_steps() {
        for count in [1, 31, 32, 33, 64, 65, 10_000] {
            let line = "word ".repeat(count);
            let partials = Utterance::of(&line, "en").unwrap().partials().count();
            assert!(partials < count && partials <= PARTIALS, "{count}: {partials}");
        }
    }
}
