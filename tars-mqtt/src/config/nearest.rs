/// The candidate that `word` is most likely meant to be, letter case aside.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: &mut dyn Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    candidates.min_by_key(|candidate| distance(&word, &candidate.to_ascii_lowercase()))
}

/// Leaving letters out is cheaper than adding them, so that `health` is near `enable_health` and
/// not nearer to some short name.
const LEFT_OUT: usize = 1;
const ADDED: usize = 2;

fn distance(word: &str, candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().collect();
    let mut row: Vec<usize> = (0..=candidate.len()).map(|count| count * LEFT_OUT).collect();
    for found in word.chars() {
        let mut diagonal = row[0];
        row[0] += ADDED;
        for (i, meant) in candidate.iter().enumerate() {
            let replaced = diagonal + if found == *meant { 0 } else { LEFT_OUT + ADDED };
            diagonal = row[i + 1];
            row[i + 1] = replaced.min(diagonal + ADDED).min(row[i] + LEFT_OUT);
        }
    }
    row[candidate.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distance_weighs_letters_left_out_and_added() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 6);
        assert_eq!(distance("abc", "axc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }

    #[test]
    fn the_nearest_name_ignores_letter_case() {
        assert_eq!(nearest("KEEPALVE", &mut ["url", "keepalive"].into_iter()), Some("keepalive"));
        assert_eq!(nearest("anything", &mut std::iter::empty()), None);
    }

    #[test]
    fn a_part_of_a_long_name_is_not_taken_for_a_short_one() {
        assert_eq!(
            nearest("helth", &mut ["url", "enable_health"].into_iter()),
            Some("enable_health")
        );
        assert_eq!(nearest("broker_url", &mut ["url", "source_name"].into_iter()), Some("url"));
    }
}
