//! Answers requests with a language model, word by word.
