//! Names that others see: client id, source, user.

use tars_mqtt_topic::is_unwanted;

/// What is wrong with a name, and what to write instead. Nothing is taken away in silence: two
/// services whose ids differ by a blank would then be one to the broker.
pub(super) fn fault(name: &str) -> Option<String> {
    if let Some(at) = name.chars().position(is_unseen) {
        return Some(format!(
            "has a control character, or another that is not seen, as character {}: remove it",
            at + 1
        ));
    }
    if name.trim() != name {
        return Some("begins or ends with a blank: remove it".to_owned());
    }
    if is_quoted(name) {
        return Some(QUOTED.to_owned());
    }
    None
}

pub(super) const QUOTED: &str =
    "is in quotation marks, which are taken as a part of it: remove them";

/// As shells, but neither Docker nor systemd in each of their files, take them away.
pub(super) fn is_quoted(text: &str) -> bool {
    let inner = |mark| text.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark)).is_some();
    ['"', '\'', '`'].into_iter().any(inner)
}

/// What brokers close the connection for (section 1.5.3), and what turns a line of text around.
fn is_unseen(c: char) -> bool {
    let turning = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    is_unwanted(c) || turning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_as_it_would_be_written_by_hand_is_none_the_worse() {
        for name in ["tars-llm", "ä b", "$x", "o'neill", "5\"", "a.b", "☃"] {
            assert_eq!(fault(name), None, "{name}");
        }
    }

    #[test]
    fn blanks_quotation_marks_and_what_is_not_seen_are_told() {
        for (name, word) in [
            (" a", "blank"),
            ("a ", "blank"),
            ("a\u{a0}", "blank"),
            ("\u{3000}a", "blank"),
            ("a\n", "as character 2"),
            ("\ta", "as character 1"),
            ("a\r\n", "as character 2"),
            ("a\u{7f}b", "as character 2"),
            ("a\u{85}b", "as character 2"),
            ("\u{feff}a", "as character 1"),
            ("a\u{202e}b", "as character 2"),
            ("a\u{fffe}", "as character 2"),
            ("a\u{1ffff}", "as character 2"),
            ("\"a\"", "quotation marks"),
            ("'a'", "quotation marks"),
            ("`a`", "quotation marks"),
        ] {
            let fault = fault(name).unwrap_or_default();
            assert!(fault.contains(word), "{name:?}: {fault}");
        }
    }
}
