//! Where Chromium and Playwright see a page otherwise, and a snapshot or a shape has to be one that Playwright takes.

use super::sketch::{Sketch, button, capture, digest, heading, part, retold, shape, text};
use crate::tree::{Digested, hiding_layers, unmasked};

fn page(children: Vec<Sketch>) -> Sketch {
    part("html", "RootWebArea", "", children)
}

#[test]
fn a_group_of_headings_and_an_address_are_no_groups() {
    let title = part(
        "hgroup",
        "group",
        "",
        vec![heading(1, "Title"), button("Follow")],
    );
    let address = part("address", "group", "", vec![button("Write")]);
    assert_eq!(
        shape(&page(vec![title, address])),
        "- heading [level=1]\n- button \"Follow\"\n- button \"Write\""
    );
}

#[test]
fn a_table_that_says_it_is_none_has_no_rows() {
    let cell = |name| part("td", "generic", "", vec![button(name)]);
    let row = part("tr", "none", "", vec![cell("One"), cell("Two")]);
    let table = |role| {
        let body = part("tbody", "none", "", vec![row.clone()]);
        part("table", "none", "", vec![body]).with("role", role)
    };
    for role in ["presentation", "none"] {
        assert_eq!(
            shape(&page(vec![table(role)])),
            "- button \"One\"\n- button \"Two\""
        );
    }
}

#[test]
fn rows_and_terms_are_not_called_what_they_hold() {
    let row = part(
        "div",
        "row",
        "1Open",
        vec![part("span", "cell", "1", vec![text("1")])],
    );
    let term = part("dt", "term", "Price", vec![text("Price")]);
    let named = part("dt", "term", "Cost", vec![text("Price")]).with("aria-label", "Cost");
    let snapshot = digest(&page(vec![row, term, named])).snapshot;
    assert_eq!(
        snapshot,
        "- row:\n  - cell \"1\"\n- term: Price\n- term: Price"
    );
}

#[test]
fn a_cell_with_a_control_is_not_called_by_it() {
    let field = part("input", "textbox", "Mail", vec![]);
    let cell = part("td", "cell", "Mail", vec![field]);
    let snapshot = digest(&page(vec![part("tr", "row", "", vec![cell])])).snapshot;
    assert_eq!(snapshot, "- row:\n  - cell:\n    - textbox \"Mail\"");
}

#[test]
fn where_playwright_does_not_look_stands_in_comments() {
    let options = part(
        "optgroup",
        "group",
        "EU",
        vec![part("option", "option", "38", vec![])],
    );
    let size = part("select", "combobox", "Size", vec![options]);
    let snapshot = digest(&page(vec![size, button("Buy")])).snapshot;
    assert_eq!(
        snapshot,
        "- combobox \"Size\"\n  # - group \"EU\":\n    # - option \"38\"\n- button \"Buy\""
    );
}

#[test]
fn what_a_consent_layer_hides_is_taken_from_behind_it() {
    let layer = || {
        part(
            "dialog",
            "dialog",
            "Cookies",
            vec![
                part("p", "paragraph", "", vec![text("We use cookies.")]),
                button("Accept all"),
            ],
        )
    };
    let content = || part("main", "main", "", vec![heading(1, "Shop"), button("Buy")]);
    let plain = digest(&page(vec![content()]));

    let mut hidden = capture(&page(vec![layer()]));
    assert_eq!(hiding_layers(&hidden).len(), 1);
    assert_eq!(Digested::of(&hidden, &unmasked).record.shape, "");
    hidden.behind = Some(Box::new(capture(&page(vec![content()]))));
    let digested = Digested::of(&hidden, &unmasked);
    assert_eq!(digested.record.shape_sha256, plain.record.shape_sha256);
    assert_eq!(digested.record.minhash, plain.record.minhash);
    assert_eq!(digested.record.overlays.len(), 1);
    // A person reads what is there to be seen.
    assert!(
        digested.snapshot.contains("We use cookies."),
        "{}",
        digested.snapshot
    );
    assert!(hiding_layers(&capture(&page(vec![content()]))).is_empty());
}

#[test]
fn the_only_card_is_an_item_as_each_of_several_is() {
    let card = |name: &str, price: Option<&str>| {
        let label = format!("Add {name} to cart");
        let price = price.map(|price| part("span", "generic", "", vec![text(price)]));
        let mut children = vec![heading(3, name)];
        children.extend(price);
        children.push(button(&label));
        part("div", "generic", "", children)
    };
    let grid = |cards: Vec<Sketch>| {
        let grid = part("div", "generic", "", cards);
        shape(&page(vec![part("main", "main", "", vec![grid])]))
    };
    let names = ["Chair", "Table", "Lamp", "Shelf", "Stool"];
    let cards = |count: usize| {
        let cards = names[..count].iter().map(|name| card(name, Some("$5")));
        grid(cards.collect())
    };
    assert_eq!(
        cards(1),
        "- main:\n  - heading [level=3]\n  - text: /\\S/\n  - button /Add .* to cart/"
    );
    for count in 2..=names.len() {
        assert_eq!(cards(count), cards(1));
    }
    let without_price = grid(names.map(|name| card(name, None)).to_vec());
    assert_ne!(without_price, cards(5));
}

#[test]
fn a_role_that_is_given_is_taken_at_its_word() {
    let given = |tag, role, word: &str| {
        let inside = vec![button("Go"), button("Stay")];
        shape(&page(vec![part(tag, role, "", inside).with("role", word)]))
    };
    let inside = "- button \"Go\"\n  - button \"Stay\"";
    for (tag, role, word, printed) in [
        // Without a name, outside of what should hold them, or none of Chromium's own.
        ("div", "generic", "region", "region"),
        ("div", "generic", "form", "form"),
        ("div", "generic", "listitem", "listitem"),
        ("div", "generic", "row", "row"),
        ("div", "generic", "generic", "generic"),
        ("ul", "list", "directory", "directory"),
        // Words that Playwright does not know say nothing.
        ("li", "doc-endnote", "doc-endnote", "listitem"),
        ("ul", "list", "made-up list", "list"),
    ] {
        assert_eq!(
            given(tag, role, word),
            format!("- {printed}:\n  {inside}"),
            "{word}"
        );
    }
    assert_eq!(
        given("section", "doc-abstract", "doc-abstract"),
        "- button \"Go\"\n- button \"Stay\""
    );
}

#[test]
fn what_a_style_sheet_lays_out_and_what_was_a_list_once_is_transparent() {
    let cell = part("div", "LayoutTableCell", "", vec![button("Go")]);
    let row = part("div", "LayoutTableRow", "", vec![cell]);
    let table = part("div", "LayoutTable", "", vec![row]);
    let item = part("li", "listitem", "", vec![button("Go")]);
    let list = part("dir", "list", "", vec![item]);
    assert_eq!(shape(&page(vec![table])), "- button \"Go\"");
    assert_eq!(shape(&page(vec![list])), "- listitem:\n  - button \"Go\"");
}

#[test]
fn an_item_is_one_unless_its_list_says_it_is_none() {
    let menu = |role| {
        let mut item = part("li", "none", "", vec![button("Go")]);
        item.properties.push(("ignored", true.into()));
        let list = part("ul", "menubar", "", vec![item]).with("role", role);
        let capture = retold(&page(vec![list]), |node| {
            node["ignored"] = (node["role"]["value"] == "none").into();
        });
        Digested::of(&capture, &unmasked).record.shape
    };
    assert_eq!(
        menu("menubar"),
        "- menubar:\n  - listitem:\n    - button \"Go\""
    );
    let mut laid_out = menu("none");
    laid_out.retain(|c| c != ' ');
    assert!(!laid_out.contains("listitem"), "{laid_out}");
}

#[test]
fn a_heading_that_does_not_say_its_level_has_none() {
    let said = |level: Option<&str>| {
        let mut heading = part("div", "heading", "Title", vec![text("Title")]);
        heading.properties.push(("level", 2.into()));
        let heading = heading.with("role", "heading");
        shape(&page(vec![match level {
            Some(level) => heading.with("aria-level", level),
            None => heading,
        }]))
    };
    assert_eq!(said(None), "- heading");
    assert_eq!(said(Some("2")), "- heading [level=2]");
}

#[test]
fn states_are_those_that_the_page_gives() {
    let mut some = part("input", "checkbox", "All", vec![]);
    some.properties.push(("checked", "mixed".into()));
    let mut empty = part("input", "textbox", "Name", vec![]);
    empty.properties.push(("invalid", "true".into()));
    let wrong = empty.clone().with("aria-invalid", "true");
    assert_eq!(
        digest(&page(vec![some, empty, wrong])).snapshot,
        "- checkbox \"All\" [checked=mixed]\n- textbox \"Name\"\n- textbox \"Name\" [invalid]"
    );
}

#[test]
fn what_stands_for_all_rows_is_found_in_one_of_them() {
    let row = |inside: [Option<&str>; 2]| {
        let cell = |inside: Option<&str>| {
            let inside = inside.map_or_else(|| vec![text("30")], |name| vec![button(name)]);
            part("td", "gridcell", "", inside)
        };
        part("tr", "row", "", inside.map(cell).to_vec())
    };
    let rows = [row([None, Some("Open")]), row([Some("Open"), None])];
    let grid = |rows: &[Sketch]| shape(&page(vec![part("table", "grid", "", rows.to_vec())]));
    let found = grid(&rows);
    assert_eq!(found.matches("button").count(), 1, "{found}");
    assert_eq!(found.matches("gridcell").count(), 2, "{found}");
    let [first, second] = rows;
    assert_eq!(grid(&[second, first]), found);
}

#[test]
fn the_only_cell_of_a_table_is_no_header() {
    let row = || {
        let cell = part("th", "columnheader", "Go", vec![button("Go")]);
        part("tr", "row", "", vec![cell])
    };
    let table = |rows: Vec<Sketch>| {
        let body = part("tbody", "rowgroup", "", rows);
        shape(&page(vec![part("table", "table", "", vec![body])]))
    };
    let one = table(vec![row()]);
    assert!(
        !one.contains("columnheader") && one.contains("    - button"),
        "{one}"
    );
    assert!(table(vec![row(), row()]).contains("columnheader"));
}

#[test]
fn where_parts_of_a_name_meet_a_space_is_left_open() {
    let called = |name: &str, inside: Vec<Sketch>| {
        shape(&page(vec![part("button", "button", name, inside)]))
    };
    let span = |inside: &str| part("span", "generic", "", vec![text(inside)]);
    let picture = |name: &str| part("img", "image", name, vec![]);
    for (name, inside, label) in [
        // A line of text, or a block: there is no doubt.
        ("Save all", vec![text("Save "), span("all")], "\"Save all\""),
        ("Save all", vec![span("Save"), text(" all")], "\"Save all\""),
        ("Save all", vec![span("Save"), span("all")], "\"Save all\""),
        (
            "Pay Visa",
            vec![text("Pay "), picture("Visa")],
            "\"Pay Visa\"",
        ),
        // A picture in a line, and a part that a style sheet takes out of the line.
        (
            "Pay Visa",
            vec![text("Pay"), picture("Visa")],
            "/Pay ?Visa/",
        ),
        ("Savenow", vec![text("Save"), span("now")], "/Save ?now/"),
        // A name that was given.
        ("Close", vec![picture("Cross"), text("Close")], "\"Close\""),
        // The icon of a font is said by Playwright, and means nothing.
        (
            "\u{e900} Save",
            vec![text("\u{e900}"), text("Save")],
            "/Save/",
        ),
    ] {
        assert_eq!(called(name, inside), format!("- button {label}"));
    }
}

#[test]
fn a_field_is_called_after_the_pictures_beside_it() {
    let field = part("input", "radio", "Card Visa", vec![]);
    let label = part(
        "label",
        "LabelText",
        "",
        vec![text("Card "), part("img", "image", "Visa", vec![])],
    );
    let tight = part(
        "label",
        "LabelText",
        "",
        vec![text("Card"), part("img", "image", "Visa", vec![])],
    );
    let beside = |label: &Sketch| shape(&page(vec![field.clone(), label.clone()]));
    assert_eq!(beside(&label), "- radio \"Card Visa\"");
    assert_eq!(beside(&tight), "- radio /Card ?Visa/");
}

#[test]
fn letters_that_a_style_sheet_changed_in_a_part_of_a_name_are_those_of_the_document() {
    let inside = vec![text("Save "), part("b", "generic", "", vec![text("all")])];
    let capture = retold(
        &page(vec![part("button", "button", "Save ALL", inside)]),
        |node| {
            if node["name"]["value"] == "all" {
                node["name"]["value"] = "ALL".into();
            }
        },
    );
    assert_eq!(
        Digested::of(&capture, &unmasked).record.shape,
        "- button \"Save all\""
    );
}

#[test]
fn an_item_that_is_called_what_it_says_says_it_once() {
    let item = |title| part("li", "listitem", "", vec![text("1")]).with("title", title);
    let listed = |item: Sketch| digest(&page(vec![part("ul", "list", "", vec![item])]));
    let same = listed(item("1"));
    assert_eq!(same.record.shape, "- list:\n  - listitem");
    assert_eq!(same.snapshot, "- list:\n  - listitem \"1\"");
    let other = listed(item("Page 1"));
    assert_eq!(
        other.record.shape,
        "- list:\n  - listitem:\n    - text: /\\S/"
    );
}

#[test]
fn an_icon_before_a_name_in_capitals_leaves_the_letters_of_the_document() {
    let inside = vec![text("\u{e900}"), text("Save all")];
    let capture = retold(
        &page(vec![part("button", "button", "\u{e900} SAVE ALL", inside)]),
        |node| {
            if node["name"]["value"] == "Save all" {
                node["name"]["value"] = "SAVE ALL".into();
            }
        },
    );
    assert_eq!(
        Digested::of(&capture, &unmasked).record.shape,
        "- button /Save all/"
    );
}

#[test]
fn prose_that_is_announced_is_no_shape_whatever_word_says_so() {
    let announced = |live: serde_json::Value| {
        let mut notice = part("p", "paragraph", "", vec![text("Saved")]);
        notice.properties.push(("live", live));
        shape(&page(vec![button("Save"), notice]))
    };
    for word in ["polite", "assertive", "true", "mixed"] {
        assert_eq!(announced(word.into()), "- button \"Save\"", "{word}");
    }
    for silent in ["off".into(), true.into(), serde_json::Value::Null] {
        assert_eq!(announced(silent), "- button \"Save\"\n- paragraph");
    }
}
