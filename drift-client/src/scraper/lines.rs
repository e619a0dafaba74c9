//! Bytes into lines, with one buffer that is bounded by the longest line.

use super::{Broken, LONGEST_LINE};

/// Bytes asked of the pipe at a time.
const CHUNK: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line starts.
    start: usize,
    /// Up to here there is no line feed after `start`.
    scanned: usize,
    /// Lines that were handed out.
    count: u64,
    cut_short: bool,
}

impl Lines {
    /// The buffer, with room for another chunk.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        // After a long line the buffer goes back to what progress needs.
        if self.buffer.len() < CHUNK && self.buffer.capacity() > 8 * CHUNK {
            self.buffer.shrink_to(2 * CHUNK);
        }
        self.buffer.reserve(CHUNK);
        &mut self.buffer
    }

    /// Whether the last line had no line feed.
    pub(super) fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// The next line that is whole and not blank, with its number from 1; at the end also one without a line feed.
    pub(super) fn next(&mut self, ended: bool) -> Result<Option<(u64, &[u8])>, Broken> {
        loop {
            let found = self.buffer[self.scanned..]
                .iter()
                .position(|byte| *byte == b'\n');
            let (end, next) = match found {
                Some(at) => (self.scanned + at, self.scanned + at + 1),
                None if ended && self.start < self.buffer.len() => {
                    self.cut_short = true;
                    (self.buffer.len(), self.buffer.len())
                }
                None => {
                    self.scanned = self.buffer.len();
                    return if self.scanned - self.start > LONGEST_LINE {
                        Err(self.too_long())
                    } else {
                        Ok(None)
                    };
                }
            };
            let start = self.start;
            if end - start > LONGEST_LINE {
                return Err(self.too_long());
            }
            (self.start, self.scanned) = (next, next);
            self.count += 1;
            if !self.buffer[start..end].trim_ascii().is_empty() {
                return Ok(Some((self.count, &self.buffer[start..end])));
            }
        }
    }

    fn too_long(&self) -> Broken {
        Broken::LineTooLong {
            line: self.count + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines, ended: bool) -> Vec<String> {
        let mut out = Vec::new();
        while let Some((number, line)) = lines.next(ended).unwrap() {
            out.push(format!("{number} {}", std::str::from_utf8(line).unwrap()));
        }
        out
    }

    #[test]
    fn lines_come_out_whole_however_they_come_in() {
        let text = "one\n\n  \r\ntwo\nthree";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut out = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                lines.room().extend_from_slice(chunk);
                out.extend(all(&mut lines, false));
            }
            assert_eq!(out, ["1 one", "4 two"]);
            assert!(!lines.is_cut_short());
            assert_eq!(all(&mut lines, true), ["5 three"]);
            assert!(lines.is_cut_short());
            assert_eq!(all(&mut lines, true), [] as [&str; 0]);
        }
    }

    #[test]
    fn the_longest_line_passes_and_one_byte_more_does_not() {
        let mut lines = Lines::default();
        lines.room().extend(std::iter::repeat_n(b'x', LONGEST_LINE));
        assert!(lines.next(false).unwrap().is_none());
        lines.room().push(b'\n');
        assert_eq!(lines.next(false).unwrap().unwrap().1.len(), LONGEST_LINE);

        lines
            .room()
            .extend(std::iter::repeat_n(b'x', LONGEST_LINE + 1));
        assert_eq!(lines.next(false), Err(Broken::LineTooLong { line: 2 }));
    }

    #[test]
    fn a_long_line_does_not_keep_its_memory() {
        let mut lines = Lines::default();
        lines.room().extend(std::iter::repeat_n(b'x', LONGEST_LINE));
        lines.room().push(b'\n');
        assert!(lines.next(false).unwrap().is_some());
        assert!(lines.room().capacity() < 4 * CHUNK);
    }
}
