//! Just enough of HTTP to know whether an answer is whole, what its status is and where its body stands.

/// An answer whose body has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// Not an answer that this reader understands: not HTTP/1.1, or without a content-length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbled;

impl<'a> Answer<'a> {
    /// The answer and its length in bytes; none when more has to come.
    pub fn read(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Garbled> {
        let Some(line) = bytes.get(..12) else {
            return Ok(None);
        };
        if !line.starts_with(b"HTTP/1.1 ") {
            return Err(Garbled);
        }
        let status = number(&line[9..]).ok_or(Garbled)? as u16;
        let mut at = 12;
        let mut length = None;
        loop {
            let Some(end) = bytes[at..].iter().position(|&b| b == b'\n') else {
                return Ok(None);
            };
            let line = bytes[at..at + end].trim_ascii();
            let is_first = at == 12;
            at += end + 1;
            if line.is_empty() && !is_first {
                break;
            }
            if let Some(value) = header(line, b"content-length:") {
                length = Some(number(value.trim_ascii()).ok_or(Garbled)?);
            }
        }
        // These two never have a body.
        let length = if matches!(status, 204 | 304) {
            0
        } else {
            length.ok_or(Garbled)?
        };
        let end = at + length;
        Ok(bytes.get(at..end).map(|body| (Self { status, body }, end)))
    }
}

fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\ndate: today\r\n\r\n{}";

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        for cut in 0..WHOLE.len() {
            assert_eq!(Answer::read(&WHOLE[..cut]), Ok(None), "{cut}");
        }
        let answer = Answer {
            status: 202,
            body: b"{}",
        };
        assert_eq!(Answer::read(WHOLE), Ok(Some((answer, WHOLE.len()))));
        let and_more = [WHOLE, b"HTTP"].concat();
        assert_eq!(Answer::read(&and_more), Ok(Some((answer, WHOLE.len()))));
    }

    #[test]
    fn an_answer_of_unknown_length_is_an_error() {
        assert_eq!(
            Answer::read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
            Err(Garbled)
        );
        assert_eq!(Answer::read(b"HTTP/1.1 200\r\n\r\n"), Err(Garbled));
        assert_eq!(Answer::read(b"SSH-2.0-server"), Err(Garbled));
        let bare = Answer {
            status: 304,
            body: b"",
        };
        assert_eq!(
            Answer::read(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
            Ok(Some((bare, 29)))
        );
    }
}
