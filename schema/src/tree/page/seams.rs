//! Where the parts of a name meet. Chromium and Playwright put names together of the same texts and pictures, and do not
//! always set a space between two of them: that is for the style sheet, which no tree has. A label leaves it open there.
//! A style sheet that writes capitals is undone on the way, part by part.

use std::collections::HashMap;

use super::{Kind, Node};
use crate::tree::label::{ICON, SEAM};
use crate::tree::role::Role;
use crate::tree::text;

/// Parts that are looked at for one name.
const MOST: usize = 48;
/// Siblings before a field that may be its label.
const BEFORE: usize = 6;

enum Piece<'n> {
    Text(&'n str),
    Picture(&'n str),
    /// The edge of a block, white space, the break of a line.
    Space,
}

/// What a name is made of.
struct Spelt {
    /// In the letters of the document.
    name: String,
    seamed: String,
}

/// `restyled` are the texts of which a style sheet changed the letters.
pub(super) fn find(nodes: &mut [Node<'_>], restyled: &HashMap<String, String>) {
    let mut found = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let Kind::Role(role) = node.kind else {
            continue;
        };
        if node.name.is_empty() || !is_put_together(role) {
            continue;
        }
        let spelt = spell(&node.name, &pieces(nodes, &node.children), restyled).or_else(|| {
            // A field is called what stands beside it.
            let beside = &nodes[node.parent as usize].children;
            let own = beside.binary_search_by_key(&at, |at| *at as usize).ok()?;
            let pieces = pieces(nodes, &beside[own.saturating_sub(BEFORE)..]);
            (0..pieces.len()).find_map(|from| spell(&node.name, &pieces[from..], restyled))
        });
        found.extend(spelt.map(|spelt| (at, spelt)));
    }
    for (at, spelt) in found {
        let node = &mut nodes[at];
        if node.seamed.is_none() && spelt.seamed.contains(SEAM) {
            node.seamed = Some(spelt.seamed);
        }
        node.name = spelt.name;
    }
    for node in nodes {
        if let Some(seamed) = node.seamed.take_if(|seamed| seamed.contains(ICON)) {
            let mut letters = node.name.chars().filter(|c| !c.is_whitespace());
            let right = |c| match c {
                ICON | SEAM | ' ' => c,
                c => letters.next().unwrap_or(c),
            };
            node.seamed = Some(seamed.chars().map(right).collect());
        }
    }
}

/// Landmarks, dialogs and tables take their names from elsewhere.
fn is_put_together(role: Role) -> bool {
    role.is_control()
        || matches!(
            role,
            Role::Link | Role::Heading | Role::Group | Role::ColumnHeader | Role::RowHeader
        )
}

fn pieces<'n>(nodes: &'n [Node<'_>], children: &[u32]) -> Vec<Piece<'n>> {
    enum Step {
        Enter(u32),
        Space,
    }
    let mut pieces = Vec::new();
    let mut steps: Vec<Step> = children.iter().rev().map(|at| Step::Enter(*at)).collect();
    while let Some(step) = steps.pop() {
        if pieces.len() >= MOST {
            break;
        }
        let at = match step {
            Step::Enter(at) => at,
            Step::Space => {
                pieces.push(Piece::Space);
                continue;
            }
        };
        let node = &nodes[at as usize];
        match node.kind {
            Kind::Text => pieces.push(Piece::Text(&node.name)),
            Kind::Role(Role::Img) => pieces.push(Piece::Picture(&node.name)),
            // The field itself, among the parts of its label.
            Kind::Role(role) if role.is_entry() || node.tag == "input" => {}
            kind => {
                if kind == Kind::Block {
                    pieces.push(Piece::Space);
                    steps.push(Step::Space);
                }
                steps.extend(node.children.iter().rev().map(|child| Step::Enter(*child)));
            }
        }
    }
    pieces
}

/// The name, if these pieces are its parts from the first on.
fn spell(name: &str, pieces: &[Piece<'_>], restyled: &HashMap<String, String>) -> Option<Spelt> {
    let mut rest = name;
    let mut spelt = Spelt {
        name: String::with_capacity(name.len()),
        seamed: String::with_capacity(name.len()),
    };
    let (mut spaced, mut picture) = (false, false);
    for piece in pieces {
        let (said, is_picture) = match piece {
            Piece::Space => {
                spaced = true;
                continue;
            }
            Piece::Text(said) => (*said, false),
            Piece::Picture(said) => (*said, true),
        };
        let plain = text::tidy(said);
        if plain.is_empty() {
            spaced |= said.contains(char::is_whitespace);
            continue;
        }
        spaced |= said.starts_with(char::is_whitespace);
        let here = rest.trim_start();
        let after = match here.strip_prefix(&plain) {
            Some(after) => after,
            None if restyled.contains_key(&text::letters(&plain)) => behind(here, &plain)?,
            None => return None,
        };
        if !spelt.name.is_empty() {
            let gap = here.len() < rest.len();
            if gap {
                spelt.name.push(' ');
            }
            let certain = gap && (spaced || !picture && !is_picture);
            spelt.seamed.push(if certain { ' ' } else { SEAM });
        }
        spelt.name.push_str(&plain);
        spelt.seamed.push_str(&plain);
        rest = after;
        if rest.trim().is_empty() {
            return Some(spelt);
        }
        spaced = said.ends_with(char::is_whitespace);
        picture = is_picture;
    }
    None
}

/// What is left of `name` behind `part`, whatever the case of its letters.
fn behind<'n>(name: &'n str, part: &str) -> Option<&'n str> {
    let mut rest = name.chars();
    for c in part.chars() {
        let other = rest.next()?;
        if c != other && !c.to_lowercase().eq(other.to_lowercase()) {
            return None;
        }
    }
    Some(rest.as_str())
}
