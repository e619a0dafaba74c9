//! Which role a node has: Chromium's, where Playwright has the same; else what the tag implies. The differences that
//! were seen between the two stand here, and nowhere else.

use super::ax::AxNode;
use super::dom::Element;
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
    let explicit = element.attribute("role").map(str::trim).unwrap_or_default();
    let role = if ax.ignored {
        // Ignored since it adds nothing for somebody who listens; Playwright prints these all the same, but not the
        // parts of a table that says it is none.
        if explicit.is_empty() && !laid_out {
            only_structure(element.tag)
        } else {
            None
        }
    } else if explicit.is_empty() && has_none(element.tag) {
        None
    } else {
        own(ax.role)
            .or_else(|| {
                if explicit.is_empty() && !laid_out {
                    by_tag(element)
                } else {
                    None
                }
            })
            .and_then(|role| named(role, ax, Some(element)))
    };
    match role {
        Some(role) => Some(Kind::Role(role)),
        None => is_block(element.tag).then_some(Kind::Block),
    }
}

/// Chromium calls these a group.
fn has_none(tag: &str) -> bool {
    matches!(tag, "hgroup" | "address")
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
        "meter" => Some(Role::Meter),
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
        _ => None,
    }
}

fn by_tag(element: &Element<'_>) -> Option<Role> {
    Some(match element.tag {
        "aside" => Role::Complementary,
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
        "input" => match element.attribute("type").unwrap_or_default() {
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

/// N2: a form or a region without a name has no role. A `title` is no name for this.
fn named(role: Role, ax: &AxNode<'_>, element: Option<&Element<'_>>) -> Option<Role> {
    if !matches!(role, Role::Form | Role::Region) {
        return Some(role);
    }
    let says = |name: &str| element.is_none_or(|element| element.attribute(name).is_some());
    let explicit = says("role") || says("aria-label") || says("aria-labelledby");
    (explicit && !ax.name.trim().is_empty()).then_some(role)
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
