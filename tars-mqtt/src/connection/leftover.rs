/// Levels of a topic up to which all filters that match it are thought of.
const MAX_LEVELS: usize = 5;

/// The filters that may have brought a message on this topic: the topic itself, and the topic with
/// wildcards in it.
///
/// A broker that kept a session does not say which filters belong to it, and unsubscribing from one
/// that does not exist does no harm (section 3.10.4). Topics with many levels have too many filters
/// to try all: of theirs, those with one wildcard.
pub(super) fn candidates(topic: &str) -> Vec<String> {
    let levels: Vec<&str> = topic.split('/').collect();
    let mut found = Vec::new();
    if levels.len() <= MAX_LEVELS {
        // Each bit says whether a level is a wildcard.
        for length in 0..=levels.len() {
            for mask in 0..1_u32 << length {
                let prefix = (0..length)
                    .map(|level| if mask & (1 << level) == 0 { levels[level] } else { "+" });
                if length == levels.len() {
                    found.push(join(prefix));
                }
                found.push(join(
                    (0..length)
                        .map(|level| if mask & (1 << level) == 0 { levels[level] } else { "+" })
                        .chain(["#"]),
                ));
            }
        }
    } else {
        found.push(topic.to_owned());
        for wild in 0..=levels.len() {
            found.push(join(levels[..wild].iter().copied().chain(["#"])));
            if wild < levels.len() {
                found.push(join(
                    levels.iter().enumerate().map(
                        |(at, level)| {
                            if at == wild { "+" } else { *level }
                        },
                    ),
                ));
            }
        }
    }
    found
}

fn join<'a>(levels: impl Iterator<Item = &'a str>) -> String {
    levels.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tars_mqtt_topic::{Pattern, matches};

    use super::*;

    #[test]
    fn every_candidate_is_a_valid_filter_that_matches_the_topic() {
        for topic in ["a", "a/b", "a/b/c/d/e", "a/b/c/d/e/f/g/h", "/", "a//b"] {
            let all = candidates(topic);
            let different: HashSet<&String> = all.iter().collect();
            assert_eq!(different.len(), all.len(), "{topic}");
            for filter in &all {
                assert!(Pattern::parse(filter).is_ok(), "{filter}");
                assert!(matches(filter, topic), "{filter} on {topic}");
            }
            for expected in [topic.to_owned(), "#".to_owned(), format!("{topic}/#")] {
                assert!(different.contains(&expected), "{expected} for {topic}");
            }
        }
        assert!(candidates("a/b/c").contains(&"+/b/+".to_owned()));
        assert!(candidates("a/b/c/d/e/f").contains(&"a/b/+/d/e/f".to_owned()));
    }
}
