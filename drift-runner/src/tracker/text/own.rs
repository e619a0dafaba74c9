//! What of an issue's text is ours: a block between two markers, and parts within it that can be renewed alone. What people
//! write around the block stays as it is. The block's first marker is also what an issue is recognised by.

use drift_schema::{Service, StepHash};

const END: &str = "<!-- drift-tracker end -->";
const PART_END: &str = "<!-- drift-tracker part end -->";

/// Names a drift in a text: `openai/780a57…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(String);

impl Identity {
    pub fn of(service: &Service, step_hash: &StepHash) -> Self {
        Self(format!("{service}/{step_hash}"))
    }

    /// Of the issue that takes what is too much for one tick.
    pub fn folded() -> Self {
        Self("folded".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn marker(&self) -> String {
        format!("<!-- drift-tracker issue {} -->", self.0)
    }

    pub fn is_in(&self, body: &str) -> bool {
        body.contains(&self.marker())
    }
}

/// The block with its markers.
pub fn block(identity: &Identity, text: &str) -> String {
    format!("{}\n{}\n{END}", identity.marker(), text.trim_end())
}

/// Where the block stands in a body, markers included.
fn range(body: &str, identity: &Identity) -> Option<std::ops::Range<usize>> {
    let marker = identity.marker();
    let start = body.find(&marker)?;
    let end = match body[start..].find(END) {
        Some(end) => start + end + END.len(),
        // Somebody cut the end off: what follows may be theirs.
        None => start + marker.len(),
    };
    Some(start..end)
}

/// The body with this block in the place of the one before, or at its end if there is none.
pub fn with_block(body: &str, identity: &Identity, block: &str) -> String {
    match range(body, identity) {
        Some(place) => [&body[..place.start], block, &body[place.end..]].concat(),
        None if body.trim().is_empty() => block.to_owned(),
        None => format!("{}\n\n{block}", body.trim_end()),
    }
}

/// Of the text around the block, in bytes.
pub fn around(body: &str, identity: &Identity) -> usize {
    body.len() - range(body, identity).map_or(0, |place| place.len())
}

fn part_marker(name: &str) -> String {
    format!("<!-- drift-tracker part {name} -->")
}

pub fn part(name: &str, text: &str) -> String {
    format!("{}\n{}\n{PART_END}\n", part_marker(name), text.trim_end())
}

fn part_range(body: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let marker = part_marker(name);
    let start = body.find(&marker)? + marker.len();
    let end = body[start..].find(PART_END)?;
    Some(start..start + end)
}

/// What a part says now.
pub fn read_part<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    part_range(body, name).map(|place| body[place].trim())
}

/// The body with another text in this part. None: there is no such part any more.
pub fn with_part(body: &str, name: &str, text: &str) -> Option<String> {
    let place = part_range(body, name)?;
    let (before, after) = (&body[..place.start], &body[place.end..]);
    Some(format!("{before}\n{}\n{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use drift_schema::Step;
    use proptest::prelude::*;

    use super::*;

    fn identity(step: &str) -> Identity {
        Identity::of(
            &Service::parse("openai").unwrap(),
            &Step::parse(step).unwrap().hash(),
        )
    }

    #[test]
    fn people_write_around_the_block_and_keep_it() {
        let login = identity("login");
        let first = block(&login, "one");
        let body = format!("Mine.\r\n\r\n{first}\r\n\r\n@alice: also mine");
        let renewed = with_block(&body, &login, &block(&login, "two\n"));
        assert!(renewed.starts_with("Mine.\r\n") && renewed.ends_with("\r\n@alice: also mine"));
        assert!(renewed.contains("two") && !renewed.contains("one"));
        assert!(login.is_in(&renewed) && !identity("signup").is_in(&renewed));
        assert_eq!(around(&renewed, &login), around(&body, &login));
    }

    #[test]
    fn a_block_that_somebody_removed_or_damaged_comes_back_without_harm_to_their_text() {
        let login = identity("login");
        let new = block(&login, "two");
        assert_eq!(
            with_block("Only mine.\n", &login, &new),
            format!("Only mine.\n\n{new}")
        );
        assert_eq!(with_block("", &login, &new), new);
        let damaged = block(&login, "one").replace(END, "mine");
        let mended = with_block(&damaged, &login, &new);
        assert!(mended.starts_with(&new) && mended.ends_with("one\nmine"));
        // From here on it stays as it is.
        assert_eq!(with_block(&mended, &login, &new), mended);
    }

    #[test]
    fn parts_are_renewed_alone() {
        let body = format!("a\n{}b\n{}c", part("counters", "1"), part("pictures", "x"));
        let renewed = with_part(&body, "counters", "2").unwrap();
        assert_eq!(
            renewed,
            format!("a\n{}b\n{}c", part("counters", "2"), part("pictures", "x"))
        );
        assert_eq!(read_part(&renewed, "counters"), Some("2"));
        assert_eq!(with_part("a", "counters", "2"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn renewing_is_idempotent_and_leaves_the_rest(before in "[^<]{0,40}", after in "[^<]{0,40}", text in "[^<]{1,40}") {
            let login = identity("login");
            let body = format!("{before}{}{after}", block(&login, "old"));
            let once = with_block(&body, &login, &block(&login, &text));
            prop_assert!(once.starts_with(&before) && once.ends_with(&after));
            prop_assert_eq!(with_block(&once, &login, &block(&login, &text)), once);
        }
    }
}
