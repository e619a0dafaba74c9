use super::*;

const SHOP: &str = r#"- banner:
  - link
  - search "Site":
    - searchbox "Search"
    - button "Search"
- main:
  - heading [level=1]
  - list:
    - listitem:
      - link
      - heading [level=3]
      - text: /\S/
      - button "Add to cart"
  - navigation "Pagination":
    - link"#;

fn difference(after: &str) -> Difference {
    between(after, None)
}

fn between(after: &str, target: Option<&Target>) -> Difference {
    let side = |shape| Side {
        shape,
        snapshot: None,
    };
    Difference::between(side(SHOP), side(after), target, None)
}

fn without(shape: &str, lines: &[&str]) -> String {
    let kept: Vec<&str> = shape
        .lines()
        .filter(|line| !lines.contains(&line.trim()))
        .collect();
    kept.join("\n")
}

#[test]
fn equal_shapes_differ_in_nothing() {
    let same = difference(SHOP);
    assert!(same.is_empty() && same.hunks.is_empty());
    assert_eq!(same.agreement, 1.0);
    assert_eq!(
        (same.sentence().as_str(), same.patch().as_str()),
        ("Nothing changed.", "")
    );
}

#[test]
fn the_hunk_that_the_failing_step_reads_comes_first() {
    let renamed = SHOP.replace("button \"Search\"", "button \"Find\"");
    let item = [
        "- listitem:",
        "- link",
        "- heading [level=3]",
        r"- text: /\S/",
        "- button \"Add to cart\"",
    ];
    let main = renamed.find("- main").unwrap();
    let after = format!("{}{}", &renamed[..main], without(&renamed[main..], &item))
        .replace("- list:", "- list");
    let target = Target {
        role: "listitem".to_owned(),
        name: None,
        note: "step 4 reads this".to_owned(),
    };
    let difference = between(&after, Some(&target));
    let expected = concat!(
        " main > list                                  step 4 reads this\n",
        "-  - listitem:\n",
        "-    - link\n",
        "-    - heading [level=3]\n",
        "-    - text: /\\S/\n",
        "-    - button \"Add to cart\"\n",
        " main > navigation \"Pagination\"\n",
        "-  - link\n",
        " banner > search \"Site\"\n",
        "-  - button \"Search\"\n",
        "+  - button \"Find\""
    );
    assert_eq!(difference.patch(), expected);
    assert_eq!(
        difference.sentence(),
        "listitem is gone from main > list, and 2 more changes."
    );
    assert!(difference.what_changed().contains(
        &"button \"Search\" in banner > search \"Site\" is called \"Find\" now".to_owned()
    ));
}

#[test]
fn each_kind_of_change_is_called_by_its_name() {
    let said = |after: &str| difference(after).what_changed();
    assert_eq!(
        said(&SHOP.replace("[level=1]", "[level=2]")),
        ["a heading in main went from level 1 to 2"]
    );
    assert_eq!(
        said(&SHOP.replace(
            "button \"Add to cart\"",
            "button \"Add to cart\" [disabled]"
        )),
        ["button \"Add to cart\" in every item of main > list is disabled now"]
    );
    assert_eq!(
        said(&SHOP.replace("- button \"Search\"", "- link")),
        ["button \"Search\" in banner > search \"Site\" became link"]
    );
    assert_eq!(
        said(&without(SHOP, &["- button \"Add to cart\""])),
        ["button \"Add to cart\" is gone from every item of main > list"]
    );
    let search = "  - search \"Site\":\n    - searchbox \"Search\"\n    - button \"Search\"";
    let moved = format!("{}\n{search}", SHOP.replace(&format!("{search}\n"), ""));
    assert_eq!(said(&moved), ["search \"Site\" moved from banner to main"]);
    assert_eq!(
        said(&format!(
            "{SHOP}\n- dialog \"Newsletter\":\n  - button \"Close\""
        )),
        ["dialog \"Newsletter\" is new in the page"]
    );
}

#[test]
fn another_page_stays_within_its_lines() {
    let many: Vec<String> = (0..200)
        .map(|at| format!("- button \"b{}\"", "x".repeat(at + 1)))
        .collect();
    let difference = difference(&many.join("\n"));
    assert_eq!(difference.what_changed().len(), 8);
    let patch = difference.patch();
    assert_eq!(patch.lines().count(), 60);
    assert!(patch.ends_with("more lines"), "{patch}");
}

#[test]
fn texts_are_counted_and_volatile_parts_left_out() {
    let before = Side {
        shape: SHOP,
        snapshot: Some("- heading \"Drills\" [level=1]\n- text: one\n- link \"x\""),
    };
    let promoted = format!("{SHOP}\n- region \"Deals\":\n  - link");
    let after = Side {
        shape: &promoted,
        snapshot: Some("- heading \"Saws\" [level=1]\n- text: two\n- link \"x\""),
    };
    let mask = VolatileMask::learn(&[SHOP, &promoted, SHOP]).unwrap();
    let difference = Difference::between(before, after, None, Some(&mask));
    assert!(difference.is_empty());
    assert_eq!(
        (difference.texts_changed, difference.volatile_left_out),
        (2, 1)
    );
    assert_eq!(difference.sentence(), "Only texts changed (2).");
    let json = serde_json::to_string(&difference).unwrap();
    assert_eq!(
        serde_json::from_str::<Difference>(&json).unwrap(),
        difference
    );
}

#[test]
fn stored_trees_are_compared_by_their_form_and_their_names() {
    let before = r#"- main:
  - heading "Create your account" [level=1]
  - textbox "Email"
  - button "Continue": Continue
  - text: 1,204 people signed up today
  - link "Help":
    - /url: https://a.example/help?visit=81"#;
    let after = r#"- main:
  - heading "Create your account" [level=1]
  - group "Email":
    - textbox "Work email"
  - button "Next" [disabled]
  - text: 1,391 people signed up today
  - link "Help":
    - /url: https://a.example/help?visit=97"#;
    let difference = Difference::of_trees(before, after, None);
    let said = difference.what_changed();
    assert!(
        said.contains(&"button \"Continue\" in main is called \"Next\" now".to_owned()),
        "{said:?}"
    );
    assert!(
        !difference.patch().contains("people") && !difference.patch().contains("visit"),
        "{}",
        difference.patch()
    );
    let same = Difference::of_trees(before, before, None);
    assert!(same.is_empty() && same.texts_changed == 0);
    let later = before.replace("1,204", "1,391").replace("=81", "=97");
    let later = Difference::of_trees(before, &later, None);
    assert_eq!(later.sentence(), "Only texts changed (2).");
}

#[test]
fn another_page_altogether_is_compared_in_little_time() {
    let page = |name: &str| -> String {
        (0..20_000)
            .map(|n| format!("- button \"{name} {}\"\n", "x".repeat(n % 50)))
            .collect()
    };
    let began = std::time::Instant::now();
    let difference = Difference::of_trees(&page("a"), &page("b"), None);
    assert!((40..=60).contains(&difference.patch().lines().count()));
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
