//! Which texts fit a question, and how well: Okapi BM25 over their meaning words.

use std::collections::HashMap;

use crate::phrases::words;

/// How many meaning words a spoken sentence has. Lengths are compared with it.
const USUAL_LENGTH: f64 = 6.0;

/// How soon another occurrence of a word adds little, and how much a long text is held back. Usual
/// values.
const SATURATION: f64 = 1.2;
const LENGTH_WEIGHT: f64 = 0.75;

/// Words of a question that are looked up; more of them say nothing more.
const LONGEST_QUESTION: usize = 64;

/// Words that are in every other sentence.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "been", "but", "by", "can", "could", "did", "do", "does", "for", "from", "had", "has", "have",
    "he", "her", "him", "his", "how", "i", "if", "im", "in", "is", "it", "its", "just", "me", "my",
    "no", "not", "of", "on", "or", "our", "please", "s", "she", "should", "so", "some", "than",
    "that", "the", "their", "them", "then", "there", "these", "they", "this", "to", "too", "us",
    "very", "was", "we", "were", "what", "whats", "when", "where", "which", "who", "whos", "whose",
    "why", "will", "with", "would", "you", "your", "yours",
];

/// An index of texts, by their numbers from 0.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    /// For each word, the texts that have it, and how often.
    texts: HashMap<String, Vec<(usize, u32)>>,
    /// How many meaning words each text has.
    lengths: Vec<u32>,
}

impl Ranking {
    /// Adds the next text.
    pub(super) fn add(&mut self, text: &str) {
        let number = self.lengths.len();
        let mut length = 0;
        for word in meaning_words(text) {
            length += 1;
            let places = self.texts.entry(word).or_default();
            match places.last_mut() {
                Some((last, count)) if *last == number => *count += 1,
                _ => places.push((number, 1)),
            }
        }
        self.lengths.push(length);
    }

    /// The texts that have a word of the question, in any order, with their scores.
    pub(super) fn search(&self, question: &str) -> Vec<(usize, f64)> {
        let mut asked: Vec<_> = meaning_words(question).take(LONGEST_QUESTION).collect();
        asked.sort_unstable();
        asked.dedup();
        let mut scores: HashMap<usize, f64> = HashMap::new();
        for places in asked.iter().filter_map(|word| self.texts.get(word)) {
            let weight = self.weight(places.len());
            for (number, count) in places {
                *scores.entry(*number).or_default() += weight * self.share(*number, *count);
            }
        }
        scores.into_iter().collect()
    }

    /// How much a word says that so many texts have.
    fn weight(&self, having: usize) -> f64 {
        let (all, having) = (float(self.lengths.len()), float(having));
        (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
    }

    fn share(&self, number: usize, count: u32) -> f64 {
        let (count, length) = (f64::from(count), f64::from(self.lengths[number]));
        let long = 1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / USUAL_LENGTH;
        count * (SATURATION + 1.0) / (count + SATURATION * long)
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn meaning_words(text: &str) -> impl Iterator<Item = String> {
    words(text).filter(|word| STOP_WORDS.binary_search(&&**word).is_err()).map(|word| stem(&word))
}

/// A word without an ending that only tells number or time.
fn stem(word: &str) -> String {
    let rest = |ending: &str, least: usize| {
        word.strip_suffix(ending).filter(|rest| rest.chars().count() >= least)
    };
    let stem = if let Some(rest) = rest("ies", 3) {
        return format!("{rest}y");
    } else if let Some(rest) = rest("sses", 2) {
        return format!("{rest}ss");
    } else if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        word
    } else {
        rest("s", 2).unwrap_or(word)
    };
    let ending = ["ing", "ed"].into_iter().find_map(|ending| {
        let rest = stem.strip_suffix(ending).filter(|rest| rest.chars().count() >= 3)?;
        rest.contains(['a', 'e', 'i', 'o', 'u', 'y']).then_some(rest)
    });
    // `stopped` and `stop`, `like` and `liked`.
    let stem = ending.map_or(stem, |rest| match rest.as_bytes() {
        [.., a, b] if a == b && !b"aeiouylsz".contains(b) => &rest[..rest.len() - 1],
        _ => rest,
    });
    stem.strip_suffix('e').filter(|rest| rest.chars().count() >= 3).unwrap_or(stem).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_are_in_order() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn forms_of_a_word_are_the_same_word() {
        for (forms, word) in [
            (&["cat", "cats"][..], "cat"),
            (&["call", "calls", "called", "calling"], "call"),
            (&["stop", "stopped", "stopping", "stops"], "stop"),
            (&["like", "liked", "likes", "liking"], "lik"),
            (&["city", "cities"], "city"),
            (&["glass", "glasses"], "glass"),
            (&["thing"], "thing"),
            (&["bus"], "bus"),
            (&["grüße"], "grüß"),
        ] {
            for form in forms {
                assert_eq!(stem(form), word, "{form}");
            }
        }
    }

    #[test]
    fn rare_words_weigh_more_than_common_ones_and_short_texts_more_than_long_ones() {
        let mut ranking = Ranking::default();
        for text in ["red cat", "red dog", "red dog with a long tail and short ears", "red"] {
            ranking.add(text);
        }
        let score = |question: &str, text: usize| {
            let found = ranking.search(question);
            found.iter().find(|(number, _)| *number == text).map(|(_, score)| *score)
        };
        assert!(score("cat", 0) > score("red", 0));
        assert!(score("dog", 1) > score("dog", 2));
        assert_eq!(score("cat", 1), None);
        assert!(ranking.search("the").is_empty());
    }
}
