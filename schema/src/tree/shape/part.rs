//! A part of a shape while it is built: a role with its label, a group of siblings, or a slot for prose; and what the
//! rules ask of one.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::without_groups;
use crate::tree::label::Label;
use crate::tree::role::Role;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Form {
    Group,
    Role(Role),
    /// Text that stands in a part by itself.
    Text,
    /// The same inside a mark-up that Playwright prints: takes the text's place where there is none.
    Mark(Role),
}

#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) form: Form,
    pub(super) tag: &'a str,
    pub(super) label: Option<Label>,
    pub(super) level: u8,
    pub(super) disabled: bool,
    /// A slot that is printed where it stands, though its parent is no item.
    pub(super) shown: bool,
    /// How deeply groups stand in groups below.
    pub(super) depth: u16,
    /// What the headings, links and cells inside are called: an item's own words.
    pub(super) phrases: Vec<Label>,
    pub(super) children: Vec<Part<'a>>,
}

impl<'a> Part<'a> {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            tag: "",
            label: None,
            level: 0,
            disabled: false,
            shown: false,
            depth: 0,
            phrases: Vec::new(),
            children: Vec::new(),
        }
    }

    pub(super) fn role(&self) -> Option<Role> {
        match self.form {
            Form::Role(role) => Some(role),
            _ => None,
        }
    }

    pub(super) fn is(&self, role: Role) -> bool {
        self.form == Form::Role(role)
    }

    /// Prose, or a picture: shown in items at most.
    pub(super) fn is_slot(&self) -> bool {
        match self.form {
            Form::Text | Form::Mark(_) => true,
            Form::Role(Role::Paragraph | Role::Img) => self.children.is_empty(),
            _ => false,
        }
    }

    /// What a link or a heading is opened for: it holds more than its name.
    pub(super) fn is_structure(&self) -> bool {
        let own = self.role().is_some_and(|role| {
            role.is_control()
                || role.is_table()
                || matches!(role, Role::Heading | Role::List | Role::Iframe)
        });
        own || self.children.iter().any(Self::is_structure)
    }

    pub(super) fn has_control(&self) -> bool {
        self.role()
            .is_some_and(|role| role.is_control() || role == Role::Iframe)
            || self.children.iter().any(Self::has_control)
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        self.feed(&mut hash);
        hash.finish()
    }

    fn feed(&self, hash: &mut DefaultHasher) {
        (
            self.form,
            &self.label,
            self.level,
            self.disabled,
            self.children.len(),
        )
            .hash(hash);
        for child in &self.children {
            child.feed(hash);
        }
    }
}

impl Part<'_> {
    /// A card: what it is about, a way to it, and something that is said of it. Where there are several, each is an item
    /// of a repetition; the only one that is left is one, too.
    pub(super) fn is_card(&self) -> bool {
        let (mut title, mut way, mut text) = (false, false, false);
        let plain = !self.any(&mut |part| {
            title |= part.is(Role::Heading) && part.level >= 2 || part.is(Role::Img);
            way |= matches!(part.role(), Some(Role::Link | Role::Button));
            text |= part.is_slot();
            part.role().is_some_and(|role| {
                role.is_landmark()
                    || role.is_table()
                    || role.is_dialog()
                    || role.is_entry()
                    || matches!(role, Role::List | Role::Iframe | Role::TabList)
            })
        });
        plain && title && way && text
    }

    /// As an item has it: slots for text and pictures, and what is called after the item is called after anything.
    pub(super) fn show_as_item(&mut self) {
        self.children = without_groups(std::mem::take(&mut self.children));
        for child in self.children.iter_mut().filter(|child| child.is_slot()) {
            child.shown = true;
        }
        let own = std::mem::take(&mut self.phrases);
        self.open_labels(&own);
        self.phrases = own;
    }

    /// What a landmark takes from a headline inside is content.
    pub(super) fn forget_heading(&mut self) {
        let landmark = self.role().is_some_and(Role::is_landmark);
        if landmark
            && self
                .label
                .as_ref()
                .is_some_and(|label| self.phrases.contains(label))
        {
            self.label = None;
        }
    }

    /// With headers over the columns, the first cell of a row is content.
    pub(super) fn forget_row_names(&mut self) {
        if self.any(&mut |part| part.is(Role::ColumnHeader)) {
            self.each(&mut |part| {
                if part.is(Role::RowHeader) {
                    part.label = None;
                }
            });
        }
    }

    pub(super) fn open_labels(&mut self, phrases: &[Label]) {
        self.each(&mut |part| {
            if let Some(label) = &part.label {
                part.label = Some(label.without(phrases));
            }
        });
    }

    pub(super) fn any(&self, matches: &mut dyn FnMut(&Self) -> bool) -> bool {
        matches(self) || self.children.iter().any(|child| child.any(matches))
    }

    pub(super) fn each(&mut self, change: &mut dyn FnMut(&mut Self)) {
        change(self);
        for child in &mut self.children {
            child.each(change);
        }
    }
}

/// More than an item is ever called by; a container of thousands need not carry all their names.
const MOST_PHRASES: usize = 24;

pub(super) fn phrases(children: &[Part<'_>]) -> Vec<Label> {
    let all = children.iter().flat_map(|child| &child.phrases);
    all.take(MOST_PHRASES).cloned().collect()
}
