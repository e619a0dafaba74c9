//! Where a request ends on the wire, as far as a bystander can tell: enough to know that nothing of the next one has
//! been read with it.

/// What a head announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Body {
    #[default]
    None,
    Length(u64),
    /// In chunks, which end wherever they end.
    Unknown,
}

/// The bytes of one request go by.
#[derive(Default)]
pub(super) struct Outline {
    /// Nothing stands in this line so far, and it is not the first.
    blank_line: bool,
    head_ended: bool,
    after_head: u64,
}

impl Outline {
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.head_ended
            && let Some((&byte, after)) = rest.split_first()
        {
            match byte {
                b'\n' if self.blank_line => self.head_ended = true,
                b'\n' => self.blank_line = true,
                b'\r' => {}
                _ => self.blank_line = false,
            }
            rest = after;
        }
        self.after_head += rest.len() as u64;
    }

    /// Whether exactly one request with such a body went by. In doubt it says no.
    pub(super) fn is_one_request(&self, body: Body) -> bool {
        self.head_ended
            && match body {
                Body::None => self.after_head == 0,
                Body::Length(length) => self.after_head == length,
                Body::Unknown => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "POST /drift/report HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n";

    fn of(parts: &[&[u8]]) -> Outline {
        let mut outline = Outline::default();
        for part in parts {
            outline.follow(part);
        }
        outline
    }

    #[test]
    fn a_request_ends_with_its_body_and_not_a_byte_before_or_after() {
        for (body, whole) in [("abc", false), ("abcd", true), ("abcdG", false)] {
            let outline = of(&[HEAD.as_bytes(), body.as_bytes()]);
            assert_eq!(outline.is_one_request(Body::Length(4)), whole, "{body}");
        }
        assert!(of(&[b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"]).is_one_request(Body::None));
        assert!(!of(&[b"GET / HTTP/1.1\r\nhost: a\r\n"]).is_one_request(Body::None));
        assert!(!of(&[]).is_one_request(Body::None));
    }

    #[test]
    fn bare_line_feeds_end_a_head_as_they_do_for_actix() {
        assert!(of(&[b"GET / HTTP/1.1\nhost: a\n\n"]).is_one_request(Body::None));
        assert!(of(&[b"GET / HTTP/1.1\nhost: a\n\r\n"]).is_one_request(Body::None));
    }

    #[test]
    fn what_is_unusual_is_doubted() {
        // Empty lines before a request are allowed, and look like the end of a head.
        assert!(!of(&[b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"]).is_one_request(Body::None));
        assert!(!of(&[HEAD.as_bytes(), b"0\r\n\r\n"]).is_one_request(Body::Unknown));
    }

    #[test]
    fn how_the_bytes_are_cut_does_not_matter() {
        let whole = [HEAD.as_bytes(), b"abcd"].concat();
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let parts = [&whole[..first], &whole[first..second], &whole[second..]];
                assert!(
                    of(&parts).is_one_request(Body::Length(4)),
                    "{first}, {second}"
                );
            }
        }
    }
}
