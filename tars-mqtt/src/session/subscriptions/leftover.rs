use tars_mqtt_topic::{MAX_LEVELS, is_unwanted};

/// Levels of a topic up to which all filters that match it are thought of.
const FEW_LEVELS: usize = 5;

/// Levels and bytes of a topic up to which filters with one wildcard are thought of. Anyone may
/// publish on a topic with thousands of levels.
const MANY_LEVELS: usize = 16;
const MANY_BYTES: usize = 1024;

/// The filters that may have brought a message on this topic: the topic itself, and the topic with
/// wildcards in it.
///
/// A broker that kept a session does not say which filters belong to it, and unsubscribing from one
/// that does not exist does no harm (section 3.10.4). Topics with more levels have too many filters
/// to try all: of theirs, those with one wildcard; of the longest, a handful. Those that a broker may
/// close the connection for are left out: it has granted none of them, and the topic is anybody's.
pub(super) fn candidates(topic: &str) -> Vec<String> {
    let mut found = conceivable(topic);
    found.retain(|filter| is_taken(filter));
    found
}

fn is_taken(filter: &str) -> bool {
    filter.split('/').count() <= MAX_LEVELS && !filter.chars().any(is_unwanted)
}

fn conceivable(topic: &str) -> Vec<String> {
    let levels: Vec<&str> = topic.split('/').take(MANY_LEVELS + 1).collect();
    let mut found = Vec::new();
    if levels.len() > MANY_LEVELS || topic.len() > MANY_BYTES {
        return longest(topic);
    }
    if levels.len() <= FEW_LEVELS {
        for length in 0..=levels.len() {
            // Each bit says whether a level is a wildcard.
            for mask in 0..1_u32 << length {
                let mut filter = levels[..length].to_vec();
                for (level, text) in filter.iter_mut().enumerate() {
                    if mask & (1 << level) != 0 {
                        *text = "+";
                    }
                }
                if length == levels.len() {
                    found.push(filter.join("/"));
                }
                filter.push("#");
                found.push(filter.join("/"));
            }
        }
    } else {
        found.push(topic.to_owned());
        for wild in 0..=levels.len() {
            let mut filter = levels[..wild].to_vec();
            filter.push("#");
            found.push(filter.join("/"));
            let mut filter = levels.clone();
            if let Some(level) = filter.get_mut(wild) {
                *level = "+";
                found.push(filter.join("/"));
            }
        }
    }
    found
}

/// Of a topic that is longer than anyone needs: the filters that services use for "everything".
fn longest(topic: &str) -> Vec<String> {
    let mut found = vec!["#".to_owned(), "+/#".to_owned()];
    let mut borders = topic.match_indices('/');
    for _ in 0..3 {
        if let Some((border, _)) = borders.next() {
            found.push(format!("{}/#", &topic[..border]));
        }
    }
    found.push(topic.to_owned());
    // A filter cannot be longer than a string of MQTT (section 1.5.3).
    if u16::try_from(topic.len() + 2).is_ok() {
        found.push(format!("{topic}/#"));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tars_mqtt_topic::{Pattern, matches};

    use super::*;

    #[test]
    fn a_topic_of_thousands_of_levels_has_a_handful_of_candidates() {
        for topic in ["/".repeat(65_000), "a/".repeat(32_000), "x".repeat(65_535)] {
            let all = candidates(&topic);
            assert!(all.len() <= 7, "{}", all.len());
            assert!(all.iter().map(String::len).sum::<usize>() <= 3 * 65_535);
            assert!(all.iter().all(|filter| filter.len() <= 65_535 && matches(filter, &topic)));
        }
    }

    #[test]
    fn no_candidate_is_one_that_a_broker_closes_the_connection_for() {
        for topic in ["a/".repeat(200), "a\u{1}b/c".to_owned(), "c/\u{ffff}".to_owned()] {
            let all = candidates(&topic);
            assert!(all.contains(&"#".to_owned()), "{topic}");
            assert!(all.iter().all(|filter| Pattern::parse(filter).is_ok()), "{all:?}");
        }
        assert!(candidates("c/\u{1}").contains(&"c/+".to_owned()));
    }

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
