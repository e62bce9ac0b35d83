//! The events of a server's stream, with bounds on what it may send.

use anyhow::{Result, ensure};

/// How long a line may be, and what an event may hold, in bytes. A piece of an answer is far shorter.
const LONGEST: usize = 256 << 10;

/// Puts lines and events together from what comes of the stream (`text/event-stream`).
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    /// The data of the event that has begun.
    data: Option<String>,
    /// The last character was a carriage return, which a line feed may follow.
    after_return: bool,
}

impl Events {
    /// Takes what has come, and gives the data of each event that it completes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<String>> {
        let mut events = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let is_rest = std::mem::replace(&mut self.after_return, bytes[end] == b'\r')
                && end == 0
                && bytes[0] == b'\n';
            if !is_rest {
                self.take(&bytes[..end])?;
                events.extend(self.end_of_line()?);
            }
            bytes = &bytes[end + 1..];
        }
        if !bytes.is_empty() {
            self.after_return = false;
            self.take(bytes)?;
        }
        Ok(events)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let length = self.line.len() + bytes.len();
        ensure!(length <= LONGEST, "the model's server sends a line of more than {LONGEST} bytes");
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// An empty line ends an event. Fields other than `data` do not matter here.
    fn end_of_line(&mut self) -> Result<Option<String>> {
        let line = String::from_utf8_lossy(&self.line);
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        if field.trim_start_matches('\u{feff}') == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    let length = data.len() + value.len();
                    ensure!(
                        length < LONGEST,
                        "the model's server sends an event of more than {LONGEST} bytes"
                    );
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        self.line.clear();
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, chunk: usize) -> Vec<String> {
        let mut events = Events::default();
        let parts = text.as_bytes().chunks(chunk);
        parts.flat_map(|part| events.push(part).unwrap()).collect()
    }

    #[test]
    fn events_are_the_same_however_they_are_cut_and_their_lines_end() {
        let text = "\u{feff}data: one\n\n: nothing\nevent: x\nid:1\ndata:two\ndata:  three\n\ndata\n\n\
                    retry: 1\n\ndata: é\n\ndata: not yet";
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            for chunk in 1..text.len() {
                assert_eq!(read(&text, chunk), ["one", "two\n three", "", "é"], "{chunk} {end:?}");
            }
        }
    }

    #[test]
    fn a_line_or_an_event_without_end_is_refused() {
        let mut events = Events::default();
        let chunk = vec![b'x'; 65_536];
        let taken = (0..100).take_while(|_| events.push(&chunk).is_ok()).count();
        assert_eq!(taken, LONGEST / chunk.len());
        let mut events = Events::default();
        let line = format!("data: {}\n", "x".repeat(60_000));
        let taken = (0..100).take_while(|_| events.push(line.as_bytes()).is_ok()).count();
        assert!(taken <= LONGEST / 60_000, "{taken}");
    }
}
