/// Whether a filter matches a topic name (section 4.7).
///
/// A wildcard at the first level does not match a topic that begins with `$` (MQTT-4.7.2-1).
/// Both are taken as they are: braces have no meaning here.
#[must_use]
pub const fn matches(filter: &str, topic: &str) -> bool {
    overlap(filter.as_bytes(), topic.as_bytes(), Kinds { left: FILTER, right: NAME })
}

/// Whether some topic name is matched by both patterns.
#[must_use]
pub const fn patterns_overlap(left: &str, right: &str) -> bool {
    overlap(left.as_bytes(), right.as_bytes(), Kinds { left: PATTERN, right: PATTERN })
}

/// Whether every topic name that `narrow` matches is matched by `wide` too. Both are filters.
#[must_use]
pub const fn covers(wide: &str, narrow: &str) -> bool {
    let (wide, narrow) = (wide.as_bytes(), narrow.as_bytes());
    let (mut at_wide, mut at_narrow) = (0, 0);
    let mut first = true;
    loop {
        let wide_level = Level::at(wide, at_wide, FILTER);
        let narrow_level = Level::at(narrow, at_narrow, FILTER);
        if first && wide_level.is_wild() && narrow_level.is_reserved() {
            return false;
        }
        match (wide_level.kind, narrow_level.kind) {
            (Kind::Rest, _) => return true,
            // Every topic has a first level, so `+/#` takes all that `#` does.
            (Kind::One, Kind::Rest) => {
                return first
                    && match wide_level.next() {
                        Some(next) => matches!(Level::at(wide, next, FILTER).kind, Kind::Rest),
                        None => false,
                    };
            }
            (Kind::Literal, Kind::One | Kind::Rest) => return false,
            (Kind::One, _) => {}
            (Kind::Literal, Kind::Literal) => {
                if !wide_level.equals(&narrow_level) {
                    return false;
                }
            }
        }
        match (wide_level.next(), narrow_level.next()) {
            (None, None) => return true,
            (None, Some(_)) => return false,
            (Some(next), None) => return matches!(Level::at(wide, next, FILTER).kind, Kind::Rest),
            (Some(next_wide), Some(next_narrow)) => {
                at_wide = next_wide;
                at_narrow = next_narrow;
            }
        }
        first = false;
    }
}

/// Which characters of a text have a meaning.
#[derive(Clone, Copy, PartialEq)]
struct Syntax {
    wildcards: bool,
    braces: bool,
}

const NAME: Syntax = Syntax { wildcards: false, braces: false };
const FILTER: Syntax = Syntax { wildcards: true, braces: false };
const PATTERN: Syntax = Syntax { wildcards: true, braces: true };

#[derive(Clone, Copy)]
struct Kinds {
    left: Syntax,
    right: Syntax,
}

#[derive(Clone, Copy)]
enum Kind {
    Literal,
    One,
    Rest,
}

/// One level of a text, found without allocating.
struct Level<'a> {
    text: &'a [u8],
    start: usize,
    end: usize,
    kind: Kind,
}

impl<'a> Level<'a> {
    const fn at(text: &'a [u8], start: usize, syntax: Syntax) -> Self {
        let mut end = start;
        while end < text.len() && text[end] != b'/' {
            end += 1;
        }
        let len = end - start;
        let kind = if syntax.wildcards && len == 1 && text[start] == b'+' {
            Kind::One
        } else if syntax.wildcards && len == 1 && text[start] == b'#' {
            Kind::Rest
        } else if syntax.braces && len >= 2 && text[start] == b'{' && text[end - 1] == b'}' {
            if len >= 4 && text[end - 2] == b'.' && text[end - 3] == b'.' {
                Kind::Rest
            } else {
                Kind::One
            }
        } else {
            Kind::Literal
        };
        Self { text, start, end, kind }
    }

    const fn next(&self) -> Option<usize> {
        if self.end < self.text.len() { Some(self.end + 1) } else { None }
    }

    const fn is_wild(&self) -> bool {
        !matches!(self.kind, Kind::Literal)
    }

    const fn is_reserved(&self) -> bool {
        matches!(self.kind, Kind::Literal) && self.end > self.start && self.text[self.start] == b'$'
    }

    const fn equals(&self, other: &Self) -> bool {
        if self.end - self.start != other.end - other.start {
            return false;
        }
        let mut offset = 0;
        while self.start + offset < self.end {
            if self.text[self.start + offset] != other.text[other.start + offset] {
                return false;
            }
            offset += 1;
        }
        true
    }
}

const fn overlap(left: &[u8], right: &[u8], kinds: Kinds) -> bool {
    let (mut at_left, mut at_right) = (0, 0);
    let mut first = true;
    loop {
        let left_level = Level::at(left, at_left, kinds.left);
        let right_level = Level::at(right, at_right, kinds.right);
        if first
            && ((left_level.is_wild() && right_level.is_reserved())
                || (right_level.is_wild() && left_level.is_reserved()))
        {
            return false;
        }
        match (left_level.kind, right_level.kind) {
            (Kind::Rest, _) | (_, Kind::Rest) => return true,
            (Kind::One, _) | (_, Kind::One) => {}
            (Kind::Literal, Kind::Literal) => {
                if !left_level.equals(&right_level) {
                    return false;
                }
            }
        }
        match (left_level.next(), right_level.next()) {
            (None, None) => return true,
            (None, Some(next)) => {
                return matches!(Level::at(right, next, kinds.right).kind, Kind::Rest);
            }
            (Some(next), None) => {
                return matches!(Level::at(left, next, kinds.left).kind, Kind::Rest);
            }
            (Some(next_left), Some(next_right)) => {
                at_left = next_left;
                at_right = next_right;
            }
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b", "a", false),
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("$SYS/+", "$SYS/a", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("a/+/c", "a//c", true),
            ("+", "ünï", true),
            ("a/$x", "a/$x", true),
            ("{a}", "b", false),
            ("{a}", "{a}", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} on {topic}");
        }
    }

    #[test]
    fn a_topic_name_keeps_its_wildcard_characters_as_text() {
        assert!(!matches("a/b", "a/+"));
        assert!(!matches("a/b", "#"));
    }

    #[test]
    fn patterns_overlap_where_one_topic_suits_both() {
        for (left, right, expected) in [
            ("sensors/{room}/temperature", "sensors/{place}/temperature", true),
            ("sensors/+/temperature", "sensors/{room}/temperature", true),
            ("sensors/#", "sensors/{room}/temperature", true),
            ("llm/response", "llm/request", false),
            ("+/b", "a/+", true),
            ("a/{rest..}", "a", true),
            ("a/+/c", "a/b", false),
            ("#", "$SYS/x", false),
            ("{x}/b", "$SYS/b", false),
        ] {
            assert_eq!(patterns_overlap(left, right), expected, "{left} and {right}");
            assert_eq!(patterns_overlap(right, left), expected, "{right} and {left}");
        }
    }

    #[test]
    fn a_wide_filter_covers_the_narrow_ones() {
        for (wide, narrow, expected) in [
            ("a/#", "a/b", true),
            ("a/#", "a", true),
            ("a/#", "a/#", true),
            ("a/#", "a/+/c", true),
            ("a/+", "a/b", true),
            ("a/+", "a/+", true),
            ("a/+", "a/#", false),
            ("a/b", "a/+", false),
            ("a/+", "+/b", false),
            ("#", "$SYS/#", false),
            ("#", "+/a", true),
            ("+/#", "#", true),
            ("+/+/#", "#", false),
            ("+", "#", false),
            ("a/+/#", "a/#", false),
            ("+/#", "$SYS/#", false),
            ("+/a", "$SYS/a", false),
            ("a/b/#", "a/#", false),
            ("a/+/#", "a", false),
            ("a/+", "a", false),
        ] {
            assert_eq!(covers(wide, narrow), expected, "{wide} over {narrow}");
        }
    }

    #[test]
    fn matching_works_in_constants() {
        const MATCHES: bool = matches("a/+", "a/b");
        const OVERLAPS: bool = patterns_overlap("a/{x}", "a/b");
        const { assert!(MATCHES && OVERLAPS && !covers("a", "b")) }
    }
}
