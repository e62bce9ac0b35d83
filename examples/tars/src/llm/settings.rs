use std::time::Duration;

use anyhow::Context as _;
use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::vars::Vars;

/// What can be set about the language model.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server that answers. Without, rules do.
    pub openai: Option<OpenAi>,
    /// `LLM_TIMEOUT_SEC`: how long an answer may take in all; 60 seconds.
    pub timeout: Duration,
    /// `LLM_TOOL_TIMEOUT_SEC`: how long a tool may take; 10 seconds.
    pub tool_timeout: Duration,
    /// `LLM_MEMORY_TIMEOUT_SEC`: how long the memory may take; 2 seconds.
    pub memory_timeout: Duration,
    /// `LLM_RULES_WORD_SEC`: how long the rules take for a word; 0.03 seconds.
    pub rules_pace: Duration,
}

/// A server with the HTTP interface of `OpenAI`'s chat completions.
#[derive(Clone, Debug)]
pub struct OpenAi {
    /// `OPENAI_BASE_URL`: where it is, up to what comes before `/chat/completions`.
    pub base_url: Url,
    /// `OPENAI_API_KEY`: what it wants to see, if anything. Never shown.
    pub authorization: Option<HeaderValue>,
    /// `OPENAI_MODEL`: which of its models answers; `gpt-4o-mini`.
    pub model: String,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a variable cannot be read.
    pub fn from_vars(vars: &Vars<impl Fn(&str) -> Option<String>>) -> anyhow::Result<Self> {
        let base_url = vars.optional("OPENAI_BASE_URL");
        Ok(Self {
            openai: base_url.map(|url| OpenAi::from_vars(&url, vars)).transpose()?,
            timeout: vars.seconds("LLM_TIMEOUT_SEC", 60.0)?,
            tool_timeout: vars.seconds("LLM_TOOL_TIMEOUT_SEC", 10.0)?,
            memory_timeout: vars.seconds("LLM_MEMORY_TIMEOUT_SEC", 2.0)?,
            rules_pace: vars.seconds("LLM_RULES_WORD_SEC", 0.03)?,
        })
    }
}

impl OpenAi {
    fn from_vars(url: &str, vars: &Vars<impl Fn(&str) -> Option<String>>) -> anyhow::Result<Self> {
        let must =
            || format!("OPENAI_BASE_URL is {url:?}, and must be like https://api.openai.com/v1");
        let base_url: Url = url.parse().with_context(must)?;
        anyhow::ensure!(matches!(base_url.scheme(), "http" | "https"), must());
        let authorization = vars.optional("OPENAI_API_KEY").map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .context("OPENAI_API_KEY has characters that no key has, such as a line break")?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        let model = vars.text("OPENAI_MODEL", "gpt-4o-mini");
        Ok(Self { base_url, authorization: authorization.transpose()?, model })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(set: &[(&str, &str)]) -> anyhow::Result<Settings> {
        Settings::from_vars(&Vars::new(|name: &str| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        }))
    }

    #[test]
    fn rules_answer_unless_a_server_is_named() {
        assert!(settings(&[]).unwrap().openai.is_none());
        let server = settings(&[("OPENAI_BASE_URL", "http://localhost:8000/v1")]).unwrap();
        assert_eq!(server.openai.unwrap().model, "gpt-4o-mini");
    }

    #[test]
    fn a_key_is_never_shown() {
        let set = [("OPENAI_BASE_URL", "https://a/v1"), ("OPENAI_API_KEY", "sk-secret")];
        assert!(!format!("{:?}", settings(&set).unwrap()).contains("secret"));
        let broken = [set[0], ("OPENAI_API_KEY", "sk\nsecret")];
        let error = format!("{:#}", settings(&broken).unwrap_err());
        assert!(error.contains("OPENAI_API_KEY") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn what_is_no_address_is_an_error_that_shows_one() {
        for url in ["localhost", "ftp://localhost/v1"] {
            let error = settings(&[("OPENAI_BASE_URL", url)]).unwrap_err().to_string();
            let expected =
                format!("OPENAI_BASE_URL is {url:?}, and must be like https://api.openai.com/v1");
            assert_eq!(error, expected);
        }
    }
}
