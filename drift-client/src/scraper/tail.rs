//! The end of what a scraper wrote to standard error. Bounded, and never with half a word at its beginning: that
//! could be half a secret, which no mask would know.

const KEPT: usize = 16 * 1024;

#[derive(Debug, Default)]
pub struct Tail {
    bytes: Vec<u8>,
    dropped: bool,
}

impl Tail {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * KEPT {
            let surplus = self.bytes.len() - KEPT;
            self.bytes.drain(..surplus);
            self.dropped = true;
        }
    }

    /// The text, from its first whole line on if something had to go.
    pub fn text(&self) -> String {
        let surplus = self.bytes.len().saturating_sub(KEPT);
        let mut rest = &self.bytes[surplus..];
        if self.dropped || surplus > 0 {
            let line = rest.iter().position(|byte| *byte == b'\n');
            let word = rest.iter().position(u8::is_ascii_whitespace);
            rest = line.or(word).map_or(&[], |at| &rest[at + 1..]);
        }
        String::from_utf8_lossy(rest).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_its_last_whole_lines() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        let text = tail.text();
        assert!(text.len() <= KEPT && text.len() > KEPT - 20);
        assert!(text.starts_with("line ") && text.ends_with("line 99999\n"));
    }

    #[test]
    fn one_endless_word_leaves_nothing() {
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; 3 * KEPT]);
        assert_eq!(tail.text(), "");
    }
}
