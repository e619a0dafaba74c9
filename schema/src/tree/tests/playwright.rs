//! Where Chromium and Playwright see a page otherwise, and a snapshot or a shape has to be one that Playwright takes.

use super::sketch::{Sketch, button, capture, digest, heading, part, shape, text};
use crate::tree::{Digested, consent_layers, unmasked};

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
        "- row:\n  - cell \"1\"\n- term: Price\n- term \"Cost\": Price"
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
    assert_eq!(consent_layers(&hidden).len(), 1);
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
    assert!(consent_layers(&capture(&page(vec![content()]))).is_empty());
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
