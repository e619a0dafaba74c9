//! Stored trees as items to compare. A tree is a snapshot of ours, or whatever outline another scraper tells: then a line stands
//! for itself. Names are held against each other as a shape would show them, without their numbers and dates; texts are counted only.

use std::borrow::Cow;

use crate::tree::label::Label;
use crate::tree::outline::{DEEPEST, Item};
use crate::tree::text;

/// Of a line that says more than a role and a name.
const LONGEST: usize = 120;

pub(super) fn read(tree: &str) -> Vec<Item> {
    let mut open: Vec<(usize, Item)> = Vec::new();
    let mut roots = Vec::new();
    for line in tree.lines() {
        let body = line.trim();
        let indent = line.len() - line.trim_start().len();
        let Some(item) = item(body) else { continue };
        close(&mut open, &mut roots, |open, last| {
            last >= indent || open >= DEEPEST
        });
        open.push((indent, item));
    }
    close(&mut open, &mut roots, |_, _| true);
    roots
}

/// Closes from the innermost on, as long as the number of open items and the last one's indent say so.
fn close(
    open: &mut Vec<(usize, Item)>,
    roots: &mut Vec<Item>,
    is_over: impl Fn(usize, usize) -> bool,
) {
    while open
        .last()
        .is_some_and(|(indent, _)| is_over(open.len(), *indent))
    {
        let Some((_, done)) = open.pop() else { break };
        match open.last_mut() {
            Some((_, parent)) => parent.children.push(done),
            None => roots.push(done),
        }
    }
}

/// None: a text or a property, which are no parts of the page's form.
fn item(body: &str) -> Option<Item> {
    let Some(entry) = body.strip_prefix("- ") else {
        return (!body.is_empty()).then(|| whole(body));
    };
    if entry == "text" || entry.starts_with("text: ") || entry.starts_with('/') {
        return None;
    }
    let key = match entry.strip_prefix('\'') {
        Some(quoted) => Cow::Owned(unquoted(quoted)),
        None => Cow::Borrowed(entry),
    };
    Some(known(&key).unwrap_or_else(|| whole(body)))
}

/// `button "Sign in" [disabled]: and a text`
fn known(key: &str) -> Option<Item> {
    let end = key
        .bytes()
        .position(|byte| !byte.is_ascii_lowercase())
        .unwrap_or(key.len());
    let (role, mut rest) = key.split_at(end);
    let mut item = Item {
        role: Cow::Owned(role.to_owned()),
        ..Item::default()
    };
    while let Some(more) = rest.strip_prefix(' ') {
        if item.label.is_none() && more.starts_with('"') {
            let end = crate::tree::outline::closing(more, '"')?;
            let name = more[1..end].replace("\\\"", "\"").replace("\\\\", "\\");
            item.label = Label::of(&text::tidy(&name)).map(|label| label.print());
            rest = &more[end + 1..];
        } else {
            let (state, behind) = more.strip_prefix('[')?.split_once(']')?;
            match state.strip_prefix("level=") {
                Some(level) => item.level = level.parse().ok()?,
                None => item.disabled |= state == "disabled",
            }
            rest = behind;
        }
    }
    let is_whole = rest.is_empty() || rest == ":" || rest.starts_with(": ");
    (!role.is_empty() && is_whole).then_some(item)
}

fn whole(line: &str) -> Item {
    let line = text::tidy(line);
    let end = line
        .char_indices()
        .nth(LONGEST)
        .map_or(line.len(), |(at, _)| at);
    Item {
        role: Cow::Owned(line[..end].to_owned()),
        ..Item::default()
    }
}

/// A key as YAML quotes it, up to the quote that closes it; what stands behind goes with it.
fn unquoted(quoted: &str) -> String {
    let mut key = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(at) = rest.find('\'') {
        key.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                key.push('\'');
                rest = more;
            }
            None => break,
        }
    }
    key.push_str(rest);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::outline::print;

    #[test]
    fn a_snapshot_is_read_without_its_texts_and_properties() {
        let tree = r#"- banner:
  - link "Home":
    - /url: https://a.example/
  - text: Welcome back
- main:
  - heading "3 new messages" [level=1]
  - paragraph: Once upon a time
  - checkbox "Remember me" [checked] [disabled]
  - 'button "it''s: here"': and a text
  - textbox "Mail \"private\""
  - link"#;
        assert_eq!(
            print(&read(tree)),
            r#"- banner:
  - link "Home"
- main:
  - heading /.* new messages/ [level=1]
  - paragraph
  - checkbox "Remember me" [disabled]
  - 'button "it''s: here"'
  - textbox "Mail \"private\""
  - link"#
        );
    }

    #[test]
    fn an_outline_of_somebody_else_stands_line_by_line() {
        for tree in [
            "main\n  form\n    Sign in!\n  footer",
            "main\n\tform\n\t\tSign in!\n\tfooter",
        ] {
            let items = read(tree);
            let main = &items[0];
            assert_eq!((items.len(), main.children.len()), (1, 2), "{tree}");
            assert_eq!(main.children[0].children[0].role, "Sign in!");
        }
    }

    #[test]
    fn whatever_it_is_it_can_be_read() {
        for tree in [
            "",
            "- ",
            "- '",
            "- ''':",
            "- button \"x",
            "- button [",
            "- button [level=9999]",
            "é",
            "- - -",
            "\u{0}",
        ] {
            let _ = read(tree);
        }
        let deep: String = (0..5_000)
            .map(|depth| format!("{}- list:\n", " ".repeat(depth)))
            .collect();
        assert_eq!(read(&deep).len(), 1);
    }
}
