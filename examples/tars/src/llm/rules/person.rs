//! From who speaks to who listens: "my cat" becomes "your cat".

/// Two words go first, since "you are" does not become "I are".
const PAIRS: [(&str, &str, &str); 6] = [
    ("i", "am", "you are"),
    ("i", "was", "you were"),
    ("you", "are", "I am"),
    ("you", "were", "I was"),
    ("to", "you", "to me"),
    ("for", "you", "for me"),
];

const WORDS: [(&str, &str); 12] = [
    ("i", "you"),
    ("i'm", "you are"),
    ("i've", "you have"),
    ("me", "you"),
    ("my", "your"),
    ("mine", "yours"),
    ("myself", "yourself"),
    ("you", "I"),
    ("you're", "I am"),
    ("your", "my"),
    ("yours", "mine"),
    ("yourself", "myself"),
];

/// The text as the listener would say it back.
pub(super) fn turned(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let mut turned: Vec<String> = Vec::new();
    let mut rest = &words[..];
    while let [word, after @ ..] = rest {
        let lower = word.to_lowercase().replace('’', "'");
        let pair = after.first().and_then(|second| {
            let second = second.to_lowercase();
            PAIRS.iter().find(|(one, two, _)| *one == lower && *two == second)
        });
        if let Some((_, _, said)) = pair {
            turned.push((*said).to_owned());
            rest = &after[1..];
            continue;
        }
        let single = WORDS.iter().find(|(one, _)| *one == lower);
        turned.push(single.map_or(*word, |(_, said)| said).to_owned());
        rest = after;
    }
    turned.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speaker_becomes_the_listener() {
        for (said, told) in [
            ("my cat is called Tom", "your cat is called Tom"),
            ("I am 40 and I live in Bonn", "you are 40 and you live in Bonn"),
            ("I’m tired", "you are tired"),
            ("you are my robot", "I am your robot"),
            ("your name is TARS", "my name is TARS"),
            ("the keys are under the mat", "the keys are under the mat"),
            ("", ""),
        ] {
            assert_eq!(turned(said), told, "{said}");
        }
    }
}
