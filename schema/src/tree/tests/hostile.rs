//! Pages that nobody would write, and answers that no browser should give.

use serde_json::{Value, json};

use super::sketch::{Sketch, answers, button, capture, digest, part, shape, text, wrapped};
use crate::tree::{Capture, Digested, unmasked};

fn nested(levels: usize, level: impl Fn(Sketch) -> Sketch) -> Sketch {
    let mut inside = button("At the bottom");
    for _ in 0..levels {
        inside = level(inside);
    }
    part("html", "RootWebArea", "", vec![inside])
}

/// Drawing such a page nests as deeply, and so does dropping it.
fn with_room(story: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(256 << 20)
        .spawn(story);
    thread.unwrap().join().unwrap();
}

/// The digest itself gets no more room than a server's worker has.
fn digest_in_two_megabytes(capture: Capture) -> Digested {
    let digest = move || Digested::of(&capture, &unmasked);
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(digest);
    thread.unwrap().join().unwrap()
}

#[test]
fn ten_thousand_levels_of_wrappers_are_one_button() {
    with_room(|| {
        let page = nested(10_000, |inside| wrapped(vec![inside]));
        assert_eq!(
            digest_in_two_megabytes(capture(&page)).record.shape,
            "- button \"At the bottom\""
        );
    });
}

#[test]
fn ten_thousand_levels_of_groups_and_lists_end_somewhere() {
    with_room(|| {
        let groups = nested(10_000, |inside| wrapped(vec![inside, button("Beside")]));
        let shape = digest_in_two_megabytes(capture(&groups)).record.shape;
        assert!(
            shape.contains("At the bottom") && shape.contains("Beside"),
            "{shape}"
        );
        let lists = nested(10_000, |inside| {
            part(
                "ul",
                "list",
                "",
                vec![part("li", "listitem", "", vec![inside, text("x")])],
            )
        });
        let shape = digest_in_two_megabytes(capture(&lists)).record.shape;
        assert!(
            (100..400).contains(&shape.lines().count()),
            "{}",
            shape.lines().count()
        );
    });
}

#[test]
fn fifty_thousand_nodes_are_no_trouble() {
    let items = (0..12_500).map(|at| {
        let name = format!("Item number {at} of very many");
        part(
            "li",
            "listitem",
            "",
            vec![part("a", "link", &name, vec![text(&name)]), text(&name)],
        )
    });
    let page = part(
        "html",
        "RootWebArea",
        "",
        vec![part("ul", "list", "", items.collect())],
    );
    assert_eq!(
        shape(&page),
        "- list:\n  - listitem:\n    - link\n    - text: /\\S/"
    );
    let buttons = (0..5_000).map(|at| button(&"x".repeat(at % 50)));
    let page = part("html", "RootWebArea", "", vec![wrapped(buttons.collect())]);
    assert_eq!(shape(&page), "- button");
}

fn ax(nodes: Value) -> Digested {
    let capture: Capture = serde_json::from_value(json!({"ax": {"nodes": nodes}})).unwrap();
    Digested::of(&capture, &unmasked)
}

#[test]
fn circles_missing_children_and_unknown_words_are_read_for_what_they_say() {
    let digested = ax(json!([
        {"nodeId": "1", "role": {"value": "RootWebArea"}, "childIds": ["2", "9", "1"]},
        {"nodeId": "2", "role": {"value": "main"}, "childIds": ["1", "3", "4", "2"]},
        {"nodeId": "3", "role": {"value": "hologram"}, "childIds": ["5"]},
        {"nodeId": "4", "role": {"value": "button"}, "name": {"value": "Go"}, "properties": [{"name": "aura", "value": {"value": [1]}}]},
        {"nodeId": "5", "role": {"value": "link"}, "childIds": 7},
        {"nodeId": "4", "role": {"value": "textbox"}},
        {"nodeId": 6, "role": "button"},
        null, [], "x",
    ]));
    assert_eq!(
        digested.record.shape,
        "- main:\n  - link\n  - button \"Go\""
    );
}

#[test]
fn an_answer_of_another_kind_is_an_empty_page() {
    for answer in [
        json!(null),
        json!([]),
        json!("nodes"),
        json!({"nodes": {}}),
        json!({"nodes": [1]}),
    ] {
        let capture: Capture =
            serde_json::from_value(json!({"ax": answer, "dom": answer})).unwrap();
        assert_eq!(Digested::of(&capture, &unmasked).record.shape, "");
    }
    // Parents in a circle.
    let mut page = answers(&part(
        "html",
        "RootWebArea",
        "",
        vec![wrapped(vec![button("Go")])],
    ));
    page["dom"]["nodes"][1]["parentId"] = json!(3);
    page["dom"]["nodes"][2]["parentId"] = json!(2);
    let page: Capture = serde_json::from_value(page).unwrap();
    assert_eq!(
        Digested::of(&page, &unmasked).record.shape,
        "- button \"Go\""
    );
}

#[test]
fn hostile_texts_stay_in_their_line() {
    let name = "x\"\n- button \"fake\" [disabled]: '#{}`\u{202e}\u{0}";
    let page = part(
        "html",
        "RootWebArea",
        "",
        vec![
            button(name),
            part("p", "paragraph", "", vec![text("- main:\n  - link")]),
        ],
    );
    let digested = digest(&page);
    assert_eq!(
        digested.record.shape.lines().count(),
        2,
        "{}",
        digested.record.shape
    );
    assert_eq!(
        digested.snapshot.lines().count(),
        2,
        "{}",
        digested.snapshot
    );
}
