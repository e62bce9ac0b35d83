/// A type's name in dotted lower case: `LlmRequest` is `llm.request`.
///
/// A word begins at a capital letter that follows a small one or a digit, and at the last capital
/// of several if a small letter follows: `LLMRequest` is `llm.request`, `HTTP2Frame` is
/// `http2.frame`. Underscores separate words too.
pub(super) fn dotted(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut dotted = String::with_capacity(name.len() + 4);
    let mut word_is_open = false;
    for (index, &letter) in letters.iter().enumerate() {
        if letter == '_' {
            word_is_open = false;
            continue;
        }
        let begins = letter.is_uppercase()
            && index.checked_sub(1).is_some_and(|before| {
                !letters[before].is_uppercase()
                    || letters.get(index + 1).is_some_and(|after| after.is_lowercase())
            });
        if (begins || !word_is_open) && !dotted.is_empty() {
            dotted.push('.');
        }
        dotted.extend(letter.to_lowercase());
        word_is_open = true;
    }
    dotted
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn words_and_acronyms_are_told_apart() {
        for (name, expected) in [
            ("LlmRequest", "llm.request"),
            ("LLMRequest", "llm.request"),
            ("AudioFFTData", "audio.fft.data"),
            ("HTTP2Frame", "http2.frame"),
            ("Esp32Reading", "esp32.reading"),
            ("ReadingFromESP32", "reading.from.esp32"),
            ("V2", "v2"),
            ("X", "x"),
            ("ABC", "abc"),
            ("Stt_Final", "stt.final"),
            ("_Private__Thing_", "private.thing"),
            ("lower", "lower"),
            ("ÄußererÜbergang", "äußerer.übergang"),
            ("__", ""),
        ] {
            assert_eq!(dotted(name), expected, "{name}");
        }
    }
}
