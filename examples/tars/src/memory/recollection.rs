//! Everything that was said, in order, and ranked by how well it fits a question (Okapi BM25).

use serde::{Deserialize, Serialize};

use super::ranking::Ranking;
use crate::contracts::{Document, MemoryQuery, MemoryResult, MemoryResults, Role};
use crate::shown::beginning;

/// How long a text may be that is remembered, in bytes. Nobody says more at once.
const LONGEST: usize = 4096;

/// How long an id may be, in bytes.
const LONGEST_ID: usize = 256;

/// How many bytes all results may have together, whatever is asked for: they are one message.
const LARGEST: usize = 256 << 10;

/// How many characters a language model takes for one token, about.
const CHARACTERS_PER_TOKEN: usize = 4;

/// How many bytes the names of the fields take, and what is in the others.
const FIELDS: usize = 400;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// The conversation in which it was said.
    pub id: String,
    /// Who said it.
    pub role: Role,
    /// The words.
    pub text: String,
    /// The utterance that they belong to.
    pub utt_id: Option<String>,
    /// When it was remembered.
    pub timestamp: jiff::Timestamp,
}

/// What was said, and an index over it.
#[derive(Debug, Default)]
pub(super) struct Recollection {
    said: Vec<Said>,
    index: Ranking,
}

impl Said {
    /// Without what is too much of it: whatever is remembered has to be recalled in one message.
    pub(super) fn shortened(mut self) -> Self {
        shorten(&mut self.text, LONGEST);
        shorten(&mut self.id, LONGEST_ID);
        if let Some(utt_id) = &mut self.utt_id {
            shorten(utt_id, LONGEST_ID);
        }
        self
    }

    fn size(&self) -> usize {
        self.text.len() + self.id.len() + self.utt_id.as_ref().map_or(0, String::len)
    }
}

impl Recollection {
    pub(super) fn add(&mut self, said: Said) {
        // A file may be older than the bounds.
        let said = said.shortened();
        self.index.add(&said.text);
        self.said.push(said);
    }

    /// Whether these words were said in that conversation by the same one already, as when a message
    /// comes again.
    pub(super) fn has(&self, said: &Said) -> bool {
        let mut known = self.said.iter().rev();
        known.any(|one| one.id == said.id && one.role == said.role && one.text == said.text)
    }

    /// The best first; then what was said around them, if that is asked for. What would be beyond the
    /// tokens is left out.
    pub(super) fn search(&self, query: &MemoryQuery) -> MemoryResults {
        let hits = self.hits(query);
        let around = if query.include_context { self.around(&hits, query) } else { Vec::new() };
        let wanted = hits.iter().map(|(place, score)| self.result(*place, Some(*score), "target"));
        let around = around.into_iter().map(|(place, word)| self.result(place, None, word));
        let mut left = query.max_tokens.map_or(i64::MAX, i64::from);
        let mut found = MemoryResults {
            query: shortened(&query.text, LONGEST),
            k: query.top_k.into(),
            strategy_used: "bm25".to_owned(),
            ..MemoryResults::default()
        };
        let mut room = LARGEST;
        for (result, size) in wanted.chain(around) {
            let tokens = result.token_count.unwrap_or_default();
            if tokens <= left && size <= room {
                left -= tokens;
                room -= size;
                found.results.push(result);
            } else {
                found.truncated = true;
            }
        }
        found.total_tokens = Some(found.results.iter().filter_map(|one| one.token_count).sum());
        found
    }

    /// Of what fits equally well, the newer is the better.
    fn hits(&self, query: &MemoryQuery) -> Vec<(usize, f64)> {
        let mut hits = self.index.search(&query.text);
        hits.sort_by(|(place, score), (other_place, other_score)| {
            other_score.total_cmp(score).then(other_place.cmp(place))
        });
        hits.truncate(query.top_k as usize);
        hits
    }

    /// What was said before and after the hits, each once.
    fn around(&self, hits: &[(usize, f64)], query: &MemoryQuery) -> Vec<(usize, &'static str)> {
        let window = query.context_window as usize;
        let mut taken: Vec<_> = hits.iter().map(|(place, _)| *place).collect();
        let mut around = Vec::new();
        for (hit, _) in hits {
            let last = (hit + window).min(self.said.len() - 1);
            for place in hit.saturating_sub(window)..=last {
                if !taken.contains(&place) {
                    taken.push(place);
                    around.push((place, if place < *hit { "before" } else { "after" }));
                }
            }
        }
        around
    }

    /// With about how many bytes it takes: control characters take six of them each.
    fn result(&self, place: usize, score: Option<f64>, word: &str) -> (MemoryResult, usize) {
        let said = &self.said[place];
        let document = match serde_json::to_value(said) {
            Ok(serde_json::Value::Object(fields)) => Document::Fields(fields),
            _ => Document::Text(said.text.clone()),
        };
        let tokens = said.text.chars().count().div_ceil(CHARACTERS_PER_TOKEN);
        let escaped = said.text.chars().filter(|c| c.is_control()).count() * 5;
        let result = MemoryResult {
            document,
            score,
            timestamp: Some(said.timestamp.to_string()),
            context_type: word.to_owned(),
            token_count: i64::try_from(tokens).ok(),
        };
        (result, said.size() + escaped + FIELDS)
    }
}

fn shorten(text: &mut String, longest: usize) {
    if text.len() > longest {
        text.truncate(beginning(text, longest).len());
        text.push('…');
    }
}

fn shortened(text: &str, longest: usize) -> String {
    let mut text = beginning(text, longest + 4).to_owned();
    shorten(&mut text, longest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: [&str; 7] = [
        "good morning",
        "my cat is called Tom",
        "noted",
        "my dog is called Rex and he is a very big dog who barks at every single car",
        "the weather is nice",
        "I like cats",
        "good night",
    ];

    fn recollection() -> Recollection {
        let mut recollection = Recollection::default();
        for text in SAID {
            recollection.add(said(text));
        }
        recollection
    }

    fn said(text: &str) -> Said {
        Said {
            id: "1".into(),
            role: Role::User,
            text: text.into(),
            utt_id: None,
            timestamp: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn query(text: &str) -> MemoryQuery {
        MemoryQuery { text: text.into(), ..MemoryQuery::default() }
    }

    fn texts(found: &MemoryResults) -> Vec<&str> {
        let text = |result: &MemoryResult| {
            let Document::Fields(fields) = &result.document else { panic!("{result:?}") };
            SAID.iter().find(|said| fields["text"] == **said).copied().unwrap()
        };
        found.results.iter().map(text).collect()
    }

    #[test]
    fn what_fits_best_comes_first_and_what_does_not_fit_is_not_found() {
        let found = recollection().search(&query("What is my cat called?"));
        assert_eq!(texts(&found), [SAID[1], SAID[5], SAID[3]]);
        assert!(found.results[0].score > found.results[1].score);
        assert_eq!((found.k, found.truncated, &*found.strategy_used), (5, false, "bm25"));
        assert_eq!((&*found.query, found.total_tokens), ("What is my cat called?", Some(27)));
        assert!(recollection().search(&query("submarine")).results.is_empty());
        assert!(Recollection::default().search(&query("anything")).results.is_empty());
    }

    #[test]
    fn no_more_is_found_than_is_asked_for() {
        let found = recollection().search(&MemoryQuery { top_k: 1, ..query("cat") });
        assert_eq!(texts(&found), [SAID[5]]);
        assert!(!found.truncated, "nothing was left out for the tokens");
    }

    #[test]
    fn the_newer_of_two_equals_comes_first() {
        let mut recollection = recollection();
        recollection.add(Said { id: "2".into(), ..said(SAID[1]) });
        let found = recollection.search(&MemoryQuery { top_k: 2, ..query("Tom") });
        assert_eq!(texts(&found), [SAID[1], SAID[1]]);
        let ids = found.results.iter().map(|result| match &result.document {
            Document::Fields(fields) => fields["id"].clone(),
            Document::Text(text) => panic!("{text}"),
        });
        assert_eq!(ids.collect::<Vec<_>>(), ["2", "1"]);
    }

    #[test]
    fn recalls_fit_into_a_message_whatever_was_said() {
        let mut recollection = Recollection::default();
        let huge = "cat \u{1} \"é\\ ".repeat(100_000);
        for _ in 0..200 {
            let id = "i".repeat(500_000);
            recollection.add(Said { utt_id: Some(id.clone()), id, ..said(&huge) });
        }
        let query = MemoryQuery {
            text: huge,
            top_k: 50,
            include_context: true,
            context_window: 5,
            ..MemoryQuery::default()
        };
        let found = recollection.search(&query);
        assert!(found.truncated && found.results.len() > 10, "{}", found.results.len());
        let size = serde_json::to_vec(&found).unwrap().len();
        assert!(size < 900_000, "{size}");
    }

    #[test]
    fn what_is_said_at_great_length_is_remembered_by_its_beginning() {
        let mut recollection = Recollection::default();
        recollection.add(said(&format!("{} submarine", "é".repeat(10_000))));
        assert!(recollection.search(&query("submarine")).results.is_empty());
        assert!(recollection.said[0].text.len() <= LONGEST + '…'.len_utf8());
    }

    #[test]
    fn results_stay_within_the_tokens() {
        let query = MemoryQuery { max_tokens: Some(9), ..query("What is my cat called?") };
        let found = recollection().search(&query);
        assert_eq!(texts(&found), [SAID[1], SAID[5]]);
        assert_eq!((found.total_tokens, found.truncated), (Some(8), true));
    }

    #[test]
    fn what_was_said_before_and_after_comes_along_once() {
        let context = |context_window, text| MemoryQuery {
            include_context: true,
            context_window,
            ..query(text)
        };
        let words = |query| {
            let found = recollection().search(&query);
            let words = found.results.iter().map(|result| result.context_type.clone());
            let texts: Vec<String> = texts(&found).into_iter().map(str::to_owned).collect();
            texts.into_iter().zip(words).collect::<Vec<_>>()
        };
        let pair = |place: usize, word: &str| (SAID[place].to_owned(), word.to_owned());
        let tom = [pair(1, "target"), pair(0, "before"), pair(2, "after")];
        assert_eq!(words(context(1, "Tom")), tom);
        assert_eq!(words(context(0, "Tom")), [pair(1, "target")]);
        let called = [
            pair(1, "target"),
            pair(3, "target"),
            pair(0, "before"),
            pair(2, "after"),
            pair(4, "after"),
        ];
        assert_eq!(words(context(1, "called")), called);
        let edge = [pair(6, "target"), pair(4, "before"), pair(5, "before")];
        assert_eq!(words(context(2, "night")), edge);
    }

    #[test]
    fn the_same_words_of_the_same_speaker_in_the_same_conversation_are_known() {
        let recollection = recollection();
        assert!(recollection.has(&said("noted")));
        assert!(!recollection.has(&Said { id: "2".into(), ..said("noted") }));
        assert!(!recollection.has(&Said { role: Role::Assistant, ..said("noted") }));
    }
}
