//! Which role a node has: Chromium's, where Playwright has the same; else what the tag implies. The differences that
//! were seen between the two stand here, and nowhere else.

use super::ax::AxNode;
use super::dom::{Attribute, Element};
use super::page::Kind;
use super::role::Role;

/// `None`: the node is dissolved into its parent.
pub(super) fn kind(ax: &AxNode<'_>, element: Option<&Element<'_>>, laid_out: bool) -> Option<Kind> {
    let Some(element) = element else {
        return match Role::parse(ax.role) {
            Some(role) if !ax.ignored => named(role, ax, None).map(Kind::Role),
            _ => None,
        };
    };
    if ax.hidden {
        return None;
    }
    let given = Given::by(element);
    let implied = given == Given::Nothing && !laid_out;
    let role = match given {
        // Whatever Chromium thinks of its place: an item without its list, a region without a name.
        Given::Role(role) if !matches!(element.tag, "iframe" | "frame") => Some(role),
        // Ignored since it adds nothing for somebody who listens; Playwright prints these all the same, but not the
        // parts of a table or a list that says it is none.
        _ if ax.ignored => implied.then(|| only_structure(element.tag)).flatten(),
        Given::Nothing if has_none(element.tag, ax.role) => None,
        _ => own(ax.role)
            .or_else(|| implied.then(|| by_tag(element)).flatten())
            .and_then(|role| named(role, ax, Some(element))),
    };
    match role {
        Some(role) => Some(Kind::Role(role)),
        None => is_block(element.tag).then_some(Kind::Block),
    }
}

/// What an element says of its own role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// No word, or none that Playwright knows: the tag decides.
    Nothing,
    /// That it has none.
    Presentation,
    Role(Role),
}

impl Given {
    fn by(element: &Element<'_>) -> Self {
        let words = element.attribute(Attribute::Role).unwrap_or_default();
        let known = |word: &str| match word.to_ascii_lowercase().as_str() {
            "none" | "presentation" => Some(Self::Presentation),
            // An element, and no role of ARIA.
            "iframe" => None,
            word => Role::parse(word).map(Self::Role),
        };
        words
            .split_ascii_whitespace()
            .find_map(known)
            .unwrap_or(Self::Nothing)
    }
}

/// Chromium calls these a group, a list, a deletion; and a table what a style sheet lays out as one.
fn has_none(tag: &str, role: &str) -> bool {
    matches!(tag, "hgroup" | "address" | "dir" | "s" | "strike")
        || role.starts_with("LayoutTable")
            && !matches!(
                tag,
                "table" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th"
            )
}

/// Chromium's words for roles.
fn own(word: &str) -> Option<Role> {
    match word {
        "image" | "SvgRoot" => Some(Role::Img),
        "Iframe" | "IframePresentational" => Some(Role::Iframe),
        "Date" | "DateTime" | "InputTime" | "ColorWell" | "Month" | "Week" => Some(Role::Textbox),
        "PopUpButton" => Some(Role::Combobox),
        "ToggleButton" => Some(Role::Button),
        "LayoutTable" => Some(Role::Table),
        "LayoutTableRow" => Some(Role::Row),
        "LayoutTableCell" => Some(Role::Cell),
        // Every `div` is one for Chromium. Playwright prints those that say so.
        "generic" => None,
        "MathMLMath" => Some(Role::Math),
        _ => Role::parse(word),
    }
}

/// Playwright gives these a role by their tag alone.
fn only_structure(tag: &str) -> Option<Role> {
    match tag {
        "thead" | "tbody" | "tfoot" => Some(Role::RowGroup),
        "tr" => Some(Role::Row),
        "table" => Some(Role::Table),
        "ul" | "ol" | "menu" => Some(Role::List),
        "li" => Some(Role::ListItem),
        _ => None,
    }
}

fn by_tag(element: &Element<'_>) -> Option<Role> {
    Some(match element.tag {
        "a" | "area" if element.says(Attribute::Href) => Role::Link,
        "article" => Role::Article,
        "aside" => Role::Complementary,
        "dd" => Role::Definition,
        "dialog" => Role::Dialog,
        "dt" | "dfn" => Role::Term,
        "fieldset" => Role::Group,
        "figure" => Role::Figure,
        "form" => Role::Form,
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Role::Heading,
        "hr" => Role::Separator,
        "main" => Role::Main,
        "nav" => Role::Navigation,
        "section" => Role::Region,
        "li" => Role::ListItem,
        "ul" | "ol" | "menu" => Role::List,
        "table" => Role::Table,
        "thead" | "tbody" | "tfoot" => Role::RowGroup,
        "tr" => Role::Row,
        "td" => Role::Cell,
        "p" => Role::Paragraph,
        "blockquote" => Role::Blockquote,
        "mark" => Role::Mark,
        "search" => Role::Search,
        "svg" => Role::Img,
        "details" => Role::Group,
        "textarea" => Role::Textbox,
        "select" => Role::Combobox,
        "input" => match element.attribute(Attribute::Type).unwrap_or_default() {
            "button" | "submit" | "reset" | "image" | "file" => Role::Button,
            "checkbox" => Role::Checkbox,
            "radio" => Role::Radio,
            "range" => Role::Slider,
            "number" => Role::SpinButton,
            "search" => Role::Searchbox,
            "hidden" => return None,
            _ => Role::Textbox,
        },
        _ => return None,
    })
}

/// N2: a form or a region without a name has no role, unless it says so. A `title` is no name for this.
fn named(role: Role, ax: &AxNode<'_>, element: Option<&Element<'_>>) -> Option<Role> {
    if !matches!(role, Role::Form | Role::Region) {
        return Some(role);
    }
    let says = |name| element.is_some_and(|element| element.says(name));
    let named = match element {
        Some(_) => says(Attribute::AriaLabel) || says(Attribute::AriaLabelledby),
        None => !ax.name.trim().is_empty(),
    };
    named.then_some(role)
}

/// Elements that stand in a line of text unless a style sheet says otherwise, and all that is not an element.
fn is_block(tag: &str) -> bool {
    !matches!(
        tag,
        "" | "a"
            | "abbr"
            | "acronym"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "button"
            | "cite"
            | "code"
            | "data"
            | "del"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "img"
            | "input"
            | "ins"
            | "kbd"
            | "label"
            | "mark"
            | "optgroup"
            | "q"
            | "rp"
            | "rt"
            | "ruby"
            | "s"
            | "samp"
            | "slot"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "svg"
            | "time"
            | "tt"
            | "u"
            | "var"
            | "wbr"
            | "html"
            | "body"
            | "summary"
            | "option"
            | "select"
            | "source"
            | "track"
            | "picture"
            | "path"
            | "g"
    )
}
