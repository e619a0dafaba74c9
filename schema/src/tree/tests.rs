//! The rules on sketched pages: what holds for all pages of a kind, pages that nobody would write, and secrets. The
//! cases on a real browser are a story in the suite.

mod hostile;
mod playwright;
mod sketch;

use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sketch::{Sketch, button, capture, digest, heading, part, shape, text, wrapped};

use super::{Digested, Record};

const FIELDS: [&str; 6] = ["Email", "Password", "Company", "Street", "City", "Nickname"];
const ACTIONS: [&str; 4] = ["Sign up", "Search", "Help", "Subscribe"];

fn field(name: &str) -> Sketch {
    wrapped(vec![
        part("label", "LabelText", "", vec![text(name)]),
        part("input", "textbox", name, vec![]),
    ])
}

fn card(number: usize, badge: bool) -> Sketch {
    let title = format!("Product {}", char::from(b'A' + (number % 26) as u8));
    let mut card = part(
        "li",
        "listitem",
        "",
        vec![
            part("a", "link", &title, vec![text(&title)]),
            heading(3, &title),
            part("span", "generic", "", vec![text(&format!("${number}.99"))]),
            button("Add to cart"),
            button(&format!("Compare {title}")),
        ],
    );
    if badge {
        card.children
            .insert(0, part("img", "image", "Bestseller", vec![]));
    }
    card
}

/// A page of a kind: some fields, some actions, a list, a table.
#[derive(Debug, Clone)]
struct Plan {
    fields: Vec<usize>,
    actions: usize,
    items: usize,
    rows: usize,
    cart: u32,
}

fn plans() -> impl Strategy<Value = Plan> {
    let fields = proptest::sample::subsequence((0..FIELDS.len()).collect::<Vec<_>>(), 1..=4);
    (fields, 1..=ACTIONS.len(), 1..9usize, 1..7usize, 0..2000u32).prop_map(
        |(fields, actions, items, rows, cart)| Plan {
            fields,
            actions,
            items,
            rows,
            cart,
        },
    )
}

fn page(plan: &Plan) -> Sketch {
    let form = part(
        "form",
        "form",
        "",
        plan.fields.iter().map(|at| field(FIELDS[*at])).collect(),
    );
    let actions = ACTIONS[..plan.actions]
        .iter()
        .map(|name| button(name))
        .collect();
    let cards = (0..plan.items)
        .map(|number| card(number, plan.items >= 4 && number == 1))
        .collect();
    let columns = ["Number", "Party"]
        .map(|name| part("th", "columnheader", name, vec![text(name)]))
        .to_vec();
    let rows = (0..plan.rows).map(|number| {
        let cells = [number, number + 7].map(|cell| {
            part(
                "td",
                "cell",
                &cell.to_string(),
                vec![text(&cell.to_string())],
            )
        });
        part("tr", "row", "", cells.to_vec())
    });
    part(
        "html",
        "RootWebArea",
        "A page",
        vec![
            part(
                "header",
                "banner",
                "",
                vec![
                    part("a", "link", "Home", vec![text("Home")]),
                    button(&format!("Cart ({})", plan.cart)),
                ],
            ),
            part(
                "main",
                "main",
                "",
                vec![
                    heading(1, "Welcome to our page"),
                    part("p", "paragraph", "", vec![text("Some prose.")]),
                    form,
                    wrapped(actions),
                    part("ul", "list", "", cards),
                    part(
                        "table",
                        "table",
                        "Dockets",
                        vec![
                            part(
                                "thead",
                                "rowgroup",
                                "",
                                vec![part("tr", "row", "", columns)],
                            ),
                            part("tbody", "rowgroup", "", rows.collect()),
                        ],
                    ),
                ],
            ),
        ],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_same_page_has_the_same_digest_and_the_shape_reads_back(plan in plans()) {
        let digested = digest(&page(&plan));
        prop_assert_eq!(&digest(&page(&plan)), &digested);
        prop_assert_eq!(super::outline::print(&super::outline::parse(&digested.record.shape)), digested.record.shape);
    }

    #[test]
    fn how_many_items_and_rows_there_are_is_no_shape(plan in plans(), items in 1..30usize, rows in 1..30usize) {
        let other = Plan { items, rows, cart: plan.cart * 7 + 1, ..plan.clone() };
        prop_assert_eq!(shape(&page(&plan)), shape(&page(&other)));
    }

    #[test]
    fn wrappers_are_no_shape(plan in plans(), choice in proptest::collection::vec(0..4u8, 256)) {
        let plain = page(&plan);
        let mut wrapping = plain.clone();
        let mut choices = choice.into_iter().cycle();
        wrapping.each(&mut |node| {
            // Not where HTML allows no other element.
            if matches!(node.role, "main" | "banner" | "listitem" | "form") {
                let children = std::mem::take(&mut node.children);
                let one = children.into_iter().map(|child| match choices.next() {
                    Some(0) => wrapped(vec![child]),
                    Some(1) => wrapped(vec![part("span", "generic", "", vec![wrapped(vec![child])])]),
                    _ => child,
                });
                node.children = one.collect();
                if choices.next() == Some(0) {
                    node.children = vec![wrapped(std::mem::take(&mut node.children))];
                }
            }
        });
        prop_assert_eq!(shape(&plain), shape(&wrapping));
    }

    #[test]
    fn what_texts_say_is_no_shape(plan in plans(), words in "[a-z]{3,12}( [a-z]{3,12}){0,5}") {
        let mut other = page(&plan);
        other.each(&mut |node| if matches!(node.role, "heading" | "link" | "paragraph" | "cell") {
            node.name.clone_from(&words);
            node.children = vec![text(&words)];
        });
        // Labels that name their item follow it.
        other.each(&mut |node| if node.name.starts_with("Compare ") {
            node.name = format!("Compare {words}");
        });
        prop_assert_eq!(shape(&page(&plan)), shape(&other));
    }

    #[test]
    fn ids_classes_and_states_are_no_shape(plan in plans(), id in "[b-z]{5}[0-9]{3}") {
        let mut other = page(&plan);
        other.each(&mut |node| {
            node.attributes.extend([("id", id.clone()), ("class", format!("css-{id}")), ("data-x", id.clone())]);
            node.properties.extend([("focused", json!(true)), ("checked", json!("true")), ("expanded", json!(true))]);
        });
        prop_assert_eq!(shape(&page(&plan)), shape(&other));
    }

    #[test]
    fn a_field_or_an_action_that_goes_is_seen(plan in plans(), which in any::<prop::sample::Index>()) {
        let fewer = if plan.fields.len() > 1 && which.index(2) == 0 {
            let mut fields = plan.fields.clone();
            fields.remove(which.index(fields.len()));
            Plan { fields, ..plan.clone() }
        } else {
            Plan { actions: plan.actions - 1, ..plan.clone() }
        };
        prop_assert_ne!(shape(&page(&plan)), shape(&page(&fewer)));
    }

    #[test]
    fn what_every_item_loses_is_seen(plan in plans(), which in 0..5usize) {
        let mut other = page(&plan);
        other.each(&mut |node| if node.role == "listitem" {
            let at = which + usize::from(node.children.len() == 6);
            node.children.remove(at);
        });
        prop_assert_ne!(shape(&page(&plan)), shape(&other));
    }

    #[test]
    fn another_name_for_a_control_moves_the_labels_alone(plan in plans()) {
        let mut other = page(&plan);
        other.each(&mut |node| if node.name == FIELDS[plan.fields[0]] || node.name == ACTIONS[0] {
            node.name = "Something else".to_owned();
            if node.role == "button" { node.children = vec![text("Something else")]; }
        });
        let (before, after) = (digest(&page(&plan)).record, digest(&other).record);
        prop_assert_ne!(before.shape_sha256, after.shape_sha256);
        prop_assert_eq!(before.skeleton_sha256, after.skeleton_sha256);
    }
}

fn first_plan() -> Plan {
    Plan {
        fields: vec![0, 1],
        actions: 1,
        items: 6,
        rows: 3,
        cart: 3,
    }
}

#[test]
fn a_person_can_compute_the_digest_from_the_shape() {
    let record = digest(&page(&first_plan())).record;
    let by_hand = Sha256::digest(format!("drift-digest/1 shape\n{}\n", record.shape));
    assert_eq!(record.shape_sha256.as_str(), hex::encode(by_hand));
}

#[test]
fn the_rules_of_version_one_give_this_shape() {
    let expected = r#"- banner:
  - link
  - button /Cart \(.*\)/
- main:
  - heading [level=1]
  - paragraph
  - textbox "Email"
  - textbox "Password"
  - button "Sign up"
  - list:
    - listitem:
      - link
      - heading [level=3]
      - text: /\S/
      - button "Add to cart"
      - button /Compare .*/
  - table "Dockets":
    - rowgroup:
      - row:
        - columnheader "Number"
        - columnheader "Party"
    - rowgroup:
      - row:
        - cell
        - cell"#;
    assert_eq!(shape(&page(&first_plan())), expected);
}

#[test]
fn a_record_has_the_fields_of_the_contract() {
    let record = digest(&page(&first_plan())).record;
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["v"], 1);
    assert_eq!(json["minhash"].as_array().map(Vec::len), Some(64));
    assert_eq!(json["overlays"], json!([]));
    assert!(json.get("volatile_mask").is_none());
    assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
}

#[test]
fn no_secret_stays_in_a_snapshot_even_in_pieces() {
    let key = "sk-or-v1-0123456789abcdef";
    let (left, right) = key.split_at(11);
    let page = part(
        "html",
        "RootWebArea",
        "",
        vec![part(
            "main",
            "main",
            "",
            vec![
                part(
                    "p",
                    "paragraph",
                    "",
                    vec![text(left), part("b", "generic", "", vec![text(right)])],
                ),
                button(&format!("Copy {key}")),
                part("a", "link", key, vec![text(key)]).with("href", &format!("/keys/{key}")),
                part(
                    "input",
                    "textbox",
                    "Key",
                    vec![part("div", "generic", "", vec![text(key)])],
                )
                .with("value", key)
                .with("placeholder", key),
            ],
        )],
    );
    let digested = Digested::of(&capture(&page), &|text| text.replace(key, "***").into());
    assert!(digested.snapshot.contains("***"), "{}", digested.snapshot);
    let stored = serde_json::to_string(&digested.record).unwrap() + &digested.snapshot;
    assert!(!stored.contains(key) && !stored.contains(right), "{stored}");
}
