use std::ops::Range;

/// Digits of a number at the most: far fewer than one needs to be infinite as an `f64`.
const MAX_NUMBER: usize = 64;

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

    /// Where a number stands that has no exponent, and so few digits that it is not too large.
    pub(super) fn number(&mut self) -> Option<Range<usize>> {
        self.skip_blanks();
        let start = self.at;
        if self.payload.get(start) == Some(&b'-') {
            self.at += 1;
        }
        let whole = self.digits()?;
        if whole.len() > 1 && self.payload[whole.start] == b'0' {
            return None;
        }
        if self.payload.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        let ends = !matches!(self.payload.get(self.at), Some(b'e' | b'E'));
        (ends && self.at - start <= MAX_NUMBER).then_some(start..self.at)
    }

    fn digits(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.at += self.payload[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (self.at > start).then_some(start..self.at)
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
    fn numbers_are_those_of_json_written_plainly() {
        let number = |text: &str| Scan::new(text.as_bytes()).number();
        for (text, place) in
            [("0", 0..1), ("-1", 0..2), (" 1795551775.9324,", 1..16), ("10.0}", 0..4)]
        {
            assert_eq!(number(text), Some(place), "{text}");
        }
        for text in ["", "-", "+1", ".5", "1.", "01", "-01", "1.e3", "1e", "1e3", "--1", "nan", "x"]
        {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(number(&"9".repeat(400)), None);
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
