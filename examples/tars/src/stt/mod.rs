//! Turns what is typed or piped into utterances.
