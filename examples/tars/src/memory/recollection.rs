//! Everything that was said, in order, and ranked by how well it fits a question (Okapi BM25).

use bm25::{Document as Text, SearchEngine, SearchEngineBuilder};
use serde::{Deserialize, Serialize};

use crate::contracts::{Document, MemoryQuery, MemoryResult, MemoryResults, Role};

/// How many meaning words a spoken sentence has. Lengths are compared with it.
const USUAL_LENGTH: f32 = 6.0;

/// How many characters a language model takes for one token, about.
const CHARACTERS_PER_TOKEN: usize = 4;

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
#[derive(Debug)]
pub(super) struct Recollection {
    said: Vec<Said>,
    index: SearchEngine<usize>,
}

impl Default for Recollection {
    fn default() -> Self {
        Self { said: Vec::new(), index: SearchEngineBuilder::with_avgdl(USUAL_LENGTH).build() }
    }
}

impl Recollection {
    pub(super) fn add(&mut self, said: Said) {
        self.index.upsert(Text::new(self.said.len(), &said.text));
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
            query: query.text.clone(),
            k: query.top_k.into(),
            strategy_used: "bm25".to_owned(),
            ..MemoryResults::default()
        };
        for result in wanted.chain(around) {
            let tokens = result.token_count.unwrap_or_default();
            if tokens <= left {
                left -= tokens;
                found.results.push(result);
            } else {
                found.truncated = true;
            }
        }
        found.total_tokens = Some(found.results.iter().filter_map(|one| one.token_count).sum());
        found
    }

    /// Of what fits equally well, the newer is the better.
    fn hits(&self, query: &MemoryQuery) -> Vec<(usize, f32)> {
        let all = self.index.search(&query.text, None);
        let mut hits: Vec<_> = all.into_iter().map(|hit| (hit.document.id, hit.score)).collect();
        hits.sort_by(|(place, score), (other_place, other_score)| {
            other_score.total_cmp(score).then(other_place.cmp(place))
        });
        hits.truncate(query.top_k as usize);
        hits
    }

    /// What was said before and after the hits, each once.
    fn around(&self, hits: &[(usize, f32)], query: &MemoryQuery) -> Vec<(usize, &'static str)> {
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

    fn result(&self, place: usize, score: Option<f32>, word: &str) -> MemoryResult {
        let said = &self.said[place];
        let document = match serde_json::to_value(said) {
            Ok(serde_json::Value::Object(fields)) => Document::Fields(fields),
            _ => Document::Text(said.text.clone()),
        };
        let tokens = said.text.chars().count().div_ceil(CHARACTERS_PER_TOKEN);
        MemoryResult {
            document,
            score: score.map(f64::from),
            timestamp: Some(said.timestamp.to_string()),
            context_type: word.to_owned(),
            token_count: i64::try_from(tokens).ok(),
        }
    }
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
