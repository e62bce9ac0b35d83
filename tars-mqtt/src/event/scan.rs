use std::ops::Range;

/// Walks through JSON that is written plainly: an object, texts without escapes, numbers. Whatever
/// it does not know is `None`, for a real parser to judge.
pub(super) struct Scan<'p> {
    payload: &'p [u8],
    at: usize,
}

impl<'p> Scan<'p> {
    pub(super) fn new(payload: &'p [u8]) -> Self {
        Self { payload, at: 0 }
    }

    fn skip_blanks(&mut self) {
        while self.payload.get(self.at).is_some_and(|&byte| is_blank(byte)) {
            self.at += 1;
        }
    }

    /// This byte, after any blanks.
    pub(super) fn token(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        (*self.payload.get(self.at)? == byte).then(|| self.at += 1)
    }

    /// Where a text stands, without its quotes.
    pub(super) fn text(&mut self) -> Option<Range<usize>> {
        self.token(b'"')?;
        let start = self.at;
        let is_end = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let end = start + self.payload[start..].iter().position(is_end)?;
        self.at = end + 1;
        // What ends it may be something that no text may contain.
        (self.payload[end] == b'"').then_some(start..end)
    }

    /// A number that is not too large.
    pub(super) fn number(&mut self) -> Option<f64> {
        self.skip_blanks();
        let start = self.at;
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let len = self.payload[start..].iter().take_while(|byte| is_part(byte)).count();
        let number = &self.payload[start..start + len];
        // What Rust takes for a number and JSON does not.
        let digits = number.strip_prefix(b"-").unwrap_or(number);
        let plain = match digits {
            [b'0', next, ..] => !next.is_ascii_digit(),
            [first, ..] => first.is_ascii_digit(),
            [] => false,
        };
        let point = digits.iter().position(|&byte| byte == b'.');
        let ends_well = point.is_none_or(|at| digits.get(at + 1).is_some_and(u8::is_ascii_digit));
        self.at += len;
        let number = std::str::from_utf8(number).ok().filter(|_| plain && ends_well)?;
        number.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Where the rest stands if it is an object, and one closing brace behind it. What is between
    /// its braces is not looked at.
    pub(super) fn last_object(&mut self) -> Option<Range<usize>> {
        self.skip_blanks();
        let rest = without_blanks_behind(&self.payload[self.at..]).strip_suffix(b"}")?;
        let object = without_blanks_behind(rest);
        let is_object = object.len() >= 2 && object.starts_with(b"{") && object.ends_with(b"}");
        is_object.then(|| self.at..self.at + object.len())
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn without_blanks_behind(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
    &bytes[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        let number = |text: &str| Scan::new(text.as_bytes()).number();
        for (text, value) in [("0", 0.0), ("-1", -1.0), (" 1795551775.9324,", 1_795_551_775.932_4)]
        {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for (text, value) in [("1e3", 1e3), ("-0.5E-2", -0.5e-2), ("10.0}", 10.0)] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in ["", "+1", ".5", "1.", "01", "-01", "1.e3", "1e", "1e999", "--1", "nan", "x"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_ends_at_its_quote_and_has_no_escapes() {
        assert_eq!(Scan::new(br#" "abc" "#).text(), Some(2..5));
        assert_eq!(Scan::new(br#""""#).text(), Some(1..1));
        for text in [r#""a\"b""#, "\"a\nb\"", "\"a\n\"", "\"a\t \"", "\"a", "a", ""] {
            assert_eq!(Scan::new(text.as_bytes()).text(), None, "{text}");
        }
    }

    #[test]
    fn the_last_object_is_what_stands_before_the_closing_brace() {
        assert_eq!(Scan::new(b" {\"a\":{}} }\n").last_object(), Some(1..9));
        for text in ["", "}", "{}", "{ }", "[] }", "{} } x"] {
            assert_eq!(Scan::new(text.as_bytes()).last_object(), None, "{text}");
        }
    }
}
