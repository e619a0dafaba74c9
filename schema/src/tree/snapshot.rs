//! The snapshot: the whole page as lines that a person reads, in the manner of Playwright's ARIA snapshots. Nothing is
//! left out of it but what the mask takes and what somebody typed. What Playwright does not look into (frames, closed
//! shadow roots, groups of options) is printed as comments, so that the rest can be pasted into one of its tests.

use std::fmt::Write as _;

use super::page::{Kind, Page};
use super::role::Role;
use super::text;
use super::{Mask, text::yaml_key, text::yaml_value};

/// Characters of a name or of a text; what goes on beyond is cut.
const LONGEST: usize = 900;

struct Line {
    depth: usize,
    /// Without the colon.
    head: String,
    /// Properties and children, printed below or behind the colon.
    below: usize,
    /// The only child, when it is a text.
    text: Option<String>,
    is_text: bool,
    /// Printed as a comment.
    aside: bool,
}

enum Step {
    Enter(u32),
    Leave(u32),
}

#[derive(Default)]
struct Printer {
    lines: Vec<Line>,
    /// Lines of the printed nodes that are open, the page itself as `None`.
    open: Vec<Option<usize>>,
    /// Text that waits for more of its line.
    run: String,
    /// Of the parts that are open, how many Playwright does not look into.
    aside: usize,
}

pub(super) fn print(page: &Page<'_>, mask: Mask<'_>) -> String {
    let mut printer = Printer {
        open: vec![None],
        ..Printer::default()
    };
    let mut steps = vec![Step::Enter(0)];
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(at) => {
                let node = &page.nodes[at as usize];
                steps.push(Step::Leave(at));
                steps.extend(node.children.iter().rev().map(|child| Step::Enter(*child)));
                match node.kind {
                    Kind::Text => printer.run.push_str(&node.name),
                    Kind::Block => printer.run.push(' '),
                    Kind::Role(role) => printer.enter(at, role, page, mask),
                }
            }
            Step::Leave(at) => match page.nodes[at as usize].kind {
                Kind::Text => {}
                Kind::Block => printer.run.push(' '),
                Kind::Role(role) => {
                    printer.flush(page, Some(at), mask);
                    printer.open.pop();
                    printer.aside -= usize::from(role == Role::Iframe);
                    printer.aside -= usize::from(is_aside(page, at));
                }
            },
        }
    }
    printer.flush(page, None, mask);
    printer.finish()
}

impl Printer {
    fn enter(&mut self, at: u32, role: Role, page: &Page<'_>, mask: Mask<'_>) {
        let node = &page.nodes[at as usize];
        // The text before it belongs to the nearest printed node further up.
        let mut above = node.parent;
        while above != 0 && page.nodes[above as usize].kind == Kind::Block {
            above = page.nodes[above as usize].parent;
        }
        self.flush(page, (above != 0).then_some(above), mask);
        self.aside += usize::from(is_aside(page, at));
        self.line(head(at, role, page), false);
        self.open.push(Some(self.lines.len() - 1));
        for (name, value) in [("url", node.url), ("placeholder", node.placeholder)] {
            let Some(value) = value else { continue };
            let value = mask(value);
            let value = shortened(&text::tidy(&value));
            if !value.is_empty() && (name == "url" || value != node.name) {
                self.line(format!("/{name}: {}", yaml_value(&value)), false);
                let last = self.lines.len() - 1;
                self.lines[last].is_text = true;
            }
        }
        self.aside += usize::from(role == Role::Iframe);
    }

    fn line(&mut self, head: String, is_text: bool) {
        let aside = self.aside > 0;
        if let Some(Some(parent)) = self.open.last() {
            let parent = &mut self.lines[*parent];
            parent.below += usize::from(parent.aside || !aside);
        }
        self.lines.push(Line {
            depth: self.open.len() - 1,
            head,
            below: 0,
            text: None,
            is_text,
            aside,
        });
    }

    /// Ends a run of text inside the printed node `inside`.
    fn flush(&mut self, page: &Page<'_>, inside: Option<u32>, mask: Mask<'_>) {
        let run = std::mem::take(&mut self.run);
        // Once more: a secret may have been set in pieces.
        let run = text::tidy(&mask(&run));
        let named = inside.is_some_and(|at| page.nodes[at as usize].name == run);
        if run.is_empty() || named {
            return;
        }
        let run = shortened(&run);
        let line = format!("text: {}", yaml_value(&run));
        self.line(line, true);
        let last = self.lines.len() - 1;
        self.lines[last].text = Some(run);
    }

    fn finish(mut self) -> String {
        let mut printed = String::new();
        let mut at = 0;
        while at < self.lines.len() {
            // A text that is the only child stands in its parent's line.
            let inline = match self.lines.get(at + 1) {
                Some(next) if self.lines[at].below == 1 && !self.lines[at].is_text => {
                    next.text.is_some()
                }
                _ => false,
            };
            let text = inline.then(|| self.lines[at + 1].text.take()).flatten();
            let line = &self.lines[at];
            let key = if line.is_text {
                line.head.as_str().into()
            } else {
                yaml_key(&line.head)
            };
            if !printed.is_empty() {
                printed.push('\n');
            }
            let mark = if line.aside { "# " } else { "" };
            let _ = write!(printed, "{}{mark}- {key}", "  ".repeat(line.depth));
            match text {
                Some(text) => {
                    let _ = write!(printed, ": {}", yaml_value(&text));
                }
                None if line.below > 0 => printed.push(':'),
                None => {}
            }
            at += 1 + usize::from(inline);
        }
        printed
    }
}

/// Where Playwright does not look: below an element that it cannot reach, and into the groups of a list of options.
fn is_aside(page: &Page<'_>, at: u32) -> bool {
    let node = &page.nodes[at as usize];
    let in_list = || {
        let mut above = node.parent;
        while above != 0 && page.nodes[above as usize].kind == Kind::Block {
            above = page.nodes[above as usize].parent;
        }
        page.nodes[above as usize].is(Role::Combobox)
    };
    node.unseen || node.is(Role::Group) && in_list()
}

fn head(at: u32, role: Role, page: &Page<'_>) -> String {
    let node = &page.nodes[at as usize];
    let mut head = role.word().to_owned();
    // A cell is called what it holds; what a control in it says is told in two ways.
    let is_plain = || {
        let child = |at: &u32| page.nodes[*at as usize].kind == Kind::Text;
        node.children.iter().all(child)
    };
    let named = !role.is_cell() || is_plain();
    if named
        && !node.name.is_empty()
        && (node.tag != "optgroup" || is_aside(page, at))
        && node.name.chars().count() <= LONGEST
    {
        head.push(' ');
        head.push_str(&text::quoted(&node.name));
    }
    let states = node.states;
    let level = (node.level > 0).then_some(node.level);
    let checked = states.checked == Some(true);
    for (shown, word) in [
        (checked && states.mixed, "checked=mixed"),
        (checked && !states.mixed, "checked"),
        (states.disabled, "disabled"),
        (states.expanded == Some(true), "expanded"),
        (states.invalid, "invalid"),
    ] {
        if shown {
            let _ = write!(head, " [{word}]");
        }
    }
    if let Some(level) = level {
        let _ = write!(head, " [level={level}]");
    }
    for (shown, word) in [
        (states.pressed && states.mixed, "pressed=mixed"),
        (states.pressed && !states.mixed, "pressed"),
        (states.selected, "selected"),
    ] {
        if shown {
            let _ = write!(head, " [{word}]");
        }
    }
    head
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The names and texts of a snapshot, to count how many changed.
pub(super) fn texts(snapshot: &str) -> impl Iterator<Item = &str> {
    snapshot.lines().filter_map(|line| {
        let line = line
            .trim_start()
            .trim_start_matches("- ")
            .trim_end_matches(':');
        let (_, text) = line.split_once([' ', ':'])?;
        // States are no text.
        let text = text.split(" [").next().unwrap_or_default().trim();
        (!text.is_empty() && !text.starts_with('[')).then_some(text)
    })
}
