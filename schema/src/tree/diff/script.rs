//! The edit script: from pairs of parts to what somebody did to the page.

use super::Edit;
use super::matching::Tree;

/// One edit and the parts it is about.
pub(super) struct Step {
    pub(super) edit: Edit,
    /// The part in the earlier shape, or the partner of the nearest part above that stands there too.
    pub(super) near: usize,
    pub(super) before: Option<usize>,
    pub(super) after: Option<usize>,
}

/// In the order of the earlier page; what is new follows what stands around it.
pub(super) fn steps(before: &Tree<'_>, after: &Tree<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, node) in before.nodes.iter().enumerate().skip(1) {
        let Some(item) = node.item else { continue };
        match node.partner {
            // What it held went with it, unless it stands elsewhere.
            None if before.nodes[node.parent].partner.is_some() => steps.push(Step {
                edit: Edit::Removed {
                    what: item.head(),
                    path: before.path(node.parent),
                },
                near: node.parent,
                before: Some(at),
                after: None,
            }),
            None => {}
            Some(partner) => compare(before, after, at, partner, &mut steps),
        }
    }
    for (at, node) in after.nodes.iter().enumerate().skip(1) {
        let Some(item) = node.item else { continue };
        if node.partner.is_none()
            && let Some(near) = after.nodes[node.parent].partner
        {
            steps.push(Step {
                edit: Edit::Added {
                    what: item.head(),
                    path: after.path(node.parent),
                },
                near,
                before: None,
                after: Some(at),
            });
        }
    }
    steps.sort_by_key(|step| step.near);
    steps
}

fn compare(before: &Tree<'_>, after: &Tree<'_>, a: usize, b: usize, steps: &mut Vec<Step>) {
    let (Some(one), Some(other)) = (before.nodes[a].item, after.nodes[b].item) else {
        return;
    };
    let parent = before.nodes[a].parent;
    let path = before.path(parent);
    let mut push = |edit| {
        steps.push(Step {
            edit,
            near: if before.nodes[a].moved { a } else { parent },
            before: Some(a),
            after: Some(b),
        });
    };
    if before.nodes[a].moved {
        let to = after.path(after.nodes[b].parent);
        push(Edit::Moved {
            what: one.head(),
            path,
            to,
        });
        return;
    }
    if one.role != other.role {
        push(Edit::RoleChanged {
            from: one.head(),
            to: other.head(),
            path,
        });
        return;
    }
    if one.label != other.label {
        push(Edit::Renamed {
            role: one.role.clone().into_owned(),
            from: one.label.clone(),
            to: other.label.clone(),
            path: path.clone(),
        });
    }
    if one.level != other.level {
        push(Edit::LevelChanged {
            from: one.level,
            to: other.level,
            path: path.clone(),
        });
    }
    if one.disabled != other.disabled {
        push(Edit::Switched {
            what: other_name(one),
            disabled: other.disabled,
            path,
        });
    }
}

fn other_name(item: &crate::tree::outline::Item) -> String {
    let mut item = crate::tree::outline::Item {
        children: Vec::new(),
        ..item.clone()
    };
    item.disabled = false;
    item.head()
}
