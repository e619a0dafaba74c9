//! A shape as a tree of lines: what is hashed, stored, read back and compared.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::text;

/// Levels that are read back. Ours never nest that deeply; a shape from elsewhere might.
pub(super) const DEEPEST: usize = 300;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Item {
    pub(super) role: Cow<'static, str>,
    /// As it stands in the line: `"Search"` or `/Cart \(.*\)/`. Of the text slot, what stands behind the colon.
    pub(super) label: Option<String>,
    /// Of a heading; else 0.
    pub(super) level: u8,
    pub(super) disabled: bool,
    pub(super) children: Vec<Item>,
}

pub(super) const TEXT: &str = "text";

impl Item {
    /// The line without its children: `button "Search" [disabled]`.
    pub(super) fn head(&self) -> String {
        let mut head = self.role.clone().into_owned();
        if let Some(label) = &self.label {
            head.push_str(if self.role == TEXT { ": " } else { " " });
            head.push_str(label);
        }
        if self.disabled {
            head.push_str(" [disabled]");
        }
        if self.level > 0 {
            // Writing to a string cannot fail.
            let _ = write!(head, " [level={}]", self.level);
        }
        head
    }

    pub(super) fn line(&self) -> String {
        let head = self.head();
        if self.role == TEXT {
            return format!("- {head}");
        }
        let colon = if self.children.is_empty() { "" } else { ":" };
        format!("- {}{colon}", text::yaml_key(&head))
    }

    /// All lines of the part, two spaces a level.
    pub(super) fn lines(&self, depth: usize, into: &mut Vec<String>) {
        into.push(format!("{}{}", "  ".repeat(depth), self.line()));
        for child in &self.children {
            child.lines(depth + 1, into);
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let body = line.strip_prefix("- ")?;
        if let Some(label) = body.strip_prefix("text: ") {
            return Some(Self {
                role: Cow::Borrowed(TEXT),
                label: Some(label.to_owned()),
                ..Self::default()
            });
        }
        let head: Cow<'_, str> = match body.strip_prefix('\'') {
            Some(quoted) => Cow::Owned(
                quoted
                    .trim_end_matches(':')
                    .strip_suffix('\'')?
                    .replace("''", "'"),
            ),
            None => Cow::Borrowed(body.strip_suffix(':').unwrap_or(body)),
        };
        let (role, mut rest) = head.split_once(' ').unwrap_or((head.as_ref(), ""));
        if role.is_empty() || !role.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        let mut item = Self {
            role: Cow::Owned(role.to_owned()),
            ..Self::default()
        };
        if let Some(mark @ ('"' | '/')) = rest.chars().next() {
            let end = closing(rest, mark)?;
            item.label = Some(rest[..=end].to_owned());
            rest = rest[end + 1..].trim_start();
        }
        for state in rest.split_whitespace() {
            let state = state.strip_prefix('[')?.strip_suffix(']')?;
            match state.split_once('=') {
                None if state == "disabled" => item.disabled = true,
                Some(("level", level)) => item.level = level.parse().ok()?,
                _ => return None,
            }
        }
        Some(item)
    }
}

/// Where a label that begins with `mark` ends.
pub(super) fn closing(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return Some(at),
            _ => {}
        }
    }
    None
}

/// The text of a shape; the empty text for an empty page.
pub(super) fn print(items: &[Item]) -> String {
    let mut lines = Vec::new();
    for item in items {
        item.lines(0, &mut lines);
    }
    lines.join("\n")
}

/// Reads a shape back. Lines that no version of ours wrote are left out.
pub(super) fn parse(shape: &str) -> Vec<Item> {
    let mut open: Vec<Item> = Vec::new();
    let mut roots = Vec::new();
    for line in shape.lines() {
        let body = line.trim_start_matches(' ');
        let depth = ((line.len() - body.len()) / 2).min(open.len()).min(DEEPEST);
        let Some(item) = Item::parse(body) else {
            continue;
        };
        close(&mut open, depth, &mut roots);
        open.push(item);
    }
    close(&mut open, 0, &mut roots);
    roots
}

fn close(open: &mut Vec<Item>, depth: usize, roots: &mut Vec<Item>) {
    while open.len() > depth {
        let Some(done) = open.pop() else { break };
        match open.last_mut() {
            Some(parent) => parent.children.push(done),
            None => roots.push(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_read_as_it_was_written() {
        let shape = "- banner:\n  - search \"Site\":\n    - 'button \"a: \\\"b\\\" it''s\" [disabled]'\n  - button /Cart \\(.*\\)\\/x/\n- list:\n  - listitem:\n    - heading [level=3]\n    - text: /\\S/\n- main";
        let items = parse(shape);
        assert_eq!(items.len(), 3);
        assert!(items[0].children[0].children[0].disabled);
        assert_eq!(items[1].children[0].children[0].level, 3);
        assert_eq!(print(&items), shape);
    }

    #[test]
    fn what_is_no_shape_is_no_trouble() {
        for text in [
            "",
            "\n\n",
            "- ",
            "- '",
            "- a [",
            "- button \"x",
            "- button \"x\" [level=999]",
            "      - main",
            "é",
        ] {
            let _ = parse(text);
        }
        let deep: String = (0..5_000)
            .map(|depth| format!("{}- list:\n", "  ".repeat(depth)))
            .collect();
        assert_eq!(parse(&deep).len(), 1);
    }
}
