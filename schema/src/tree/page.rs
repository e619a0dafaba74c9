//! The page as one tree in Playwright's roles: what every later pass goes over. `join` makes it.
//!
//! Nodes lie in document order, parents before their children, so that every later pass is a loop and no page can be
//! nested too deeply for the stack.

mod join;
mod seams;

use super::Mask;
use super::ax::{AxNode, Property, Told};
use super::capture::{Capture, Invisible};
use super::dom::{Attribute, Element};
use super::label;
use super::role::Role;
use super::text;
use super::words::Marks;
use join::Join;

#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) invisible: Invisible,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Grouping context: an element without a role that stands in a block of its own.
    Block,
    Text,
    Role(Role),
}

#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) kind: Kind,
    pub(super) tag: &'a str,
    /// The accessible name, or the text of a text. Masked, by N1, and never the value of a field.
    pub(super) name: String,
    /// The name as it goes into a label, where it was put together of parts: with `label::SEAM` and `label::ICON`.
    pub(super) seamed: Option<String>,
    pub(super) level: u8,
    pub(super) states: States,
    pub(super) marks: Marks,
    /// Prose that is announced when it changes.
    pub(super) live: bool,
    /// A frame that asks whether somebody is a person.
    pub(super) challenge: bool,
    /// The browser's own number of the element.
    pub(super) backend: Option<i64>,
    /// In a closed shadow root, where no script can look.
    pub(super) unseen: bool,
    pub(super) url: Option<&'a str>,
    pub(super) placeholder: Option<&'a str>,
    pub(super) parent: u32,
    pub(super) children: Vec<u32>,
    depth: u16,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct States {
    pub(super) checked: Option<bool>,
    /// Neither checked nor not, neither pressed nor not.
    pub(super) mixed: bool,
    pub(super) disabled: bool,
    pub(super) expanded: Option<bool>,
    pub(super) pressed: bool,
    pub(super) selected: bool,
    pub(super) invalid: bool,
}

impl Node<'_> {
    pub(super) fn role(&self) -> Option<Role> {
        match self.kind {
            Kind::Role(role) => Some(role),
            _ => None,
        }
    }

    pub(super) fn is(&self, role: Role) -> bool {
        self.kind == Kind::Role(role)
    }
}

impl<'a> Page<'a> {
    pub(super) fn read(capture: &'a Capture, mask: Mask<'_>) -> Self {
        Join::of(capture, mask).page(capture.invisible)
    }
}

impl<'a> Node<'a> {
    fn new(kind: Kind, parent: u32, depth: u16) -> Self {
        Self {
            kind,
            tag: "",
            name: String::new(),
            seamed: None,
            level: 0,
            states: States::default(),
            marks: Marks::default(),
            live: false,
            challenge: false,
            backend: None,
            unseen: false,
            url: None,
            placeholder: None,
            parent,
            children: Vec::new(),
            depth,
        }
    }
}

impl<'a> Node<'a> {
    fn fill(&mut self, role: Role, ax: &AxNode<'a>, element: Option<&Element<'a>>, mask: Mask<'_>) {
        let named = mask(ax.name);
        self.name = text::tidy(&named);
        if role.has_label() && named.contains(text::is_icon) {
            let icons = named
                .chars()
                .map(|c| if text::is_icon(c) { label::ICON } else { c });
            self.seamed = Some(text::tidy(&icons.collect::<String>()));
        }
        let says = |name| element.is_none_or(|element| element.says(name));
        // What they hold is no name of these.
        let by_content = matches!(role, Role::Row | Role::Math);
        if role.is_nameless()
            || by_content && !says(Attribute::AriaLabel) && !says(Attribute::AriaLabelledby)
        {
            self.name.clear();
        }
        // Chromium has it as a description where it says the same as the item.
        if role == Role::ListItem
            && self.name.is_empty()
            && let Some(title) = element.and_then(|element| element.attribute(Attribute::Title))
        {
            self.name = text::tidy(&mask(title));
        }
        if role == Role::Heading {
            self.level = level(ax, element);
        }
        self.states = States {
            checked: ax
                .property(Property::Checked)
                .map(|_| ax.is(Property::Checked)),
            mixed: [Property::Checked, Property::Pressed]
                .map(|name| ax.property(name) == Some(Told::Mixed))
                .contains(&true),
            disabled: ax.is(Property::Disabled),
            expanded: ax
                .property(Property::Expanded)
                .map(|_| ax.is(Property::Expanded)),
            pressed: ax.is(Property::Pressed),
            selected: ax.is(Property::Selected),
            // What the page says; Chromium counts a field in that nobody has filled in yet.
            invalid: element.is_some_and(|element| {
                let says = element.attribute(Attribute::AriaInvalid).map(str::trim);
                says.is_some_and(|says| !says.is_empty() && says != "false")
            }),
        };
        let Some(element) = element else { return };
        match role {
            Role::Link => self.url = element.attribute(Attribute::Href),
            Role::Textbox => self.placeholder = element.attribute(Attribute::Placeholder),
            _ => {}
        }
    }
}

/// 0 for a heading of no level: a `role=heading` that does not say which.
fn level(ax: &AxNode<'_>, element: Option<&Element<'_>>) -> u8 {
    if let Some(element) = element {
        let native = match element.tag.as_bytes() {
            [b'h', level @ b'1'..=b'6'] => Some(level - b'0'),
            _ => None,
        };
        match element.attribute(Attribute::AriaLevel) {
            Some(_) if native.is_some() => return native.unwrap_or_default(),
            None if native.is_none() && element.says(Attribute::Role) => return 0,
            _ => {}
        }
    }
    let level = match ax.property(Property::Level) {
        Some(Told::Number(level)) => u8::try_from(level).ok(),
        _ => None,
    };
    level.unwrap_or(2).clamp(1, 99)
}
