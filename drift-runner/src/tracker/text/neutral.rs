//! Values of strangers (reports, pages, logs) as Markdown that shows them and obeys nothing in them: no mention, link,
//! picture, HTML, table cell or marker of ours.

/// Invisible, or able to turn the text around them: nobody could see what an issue really says.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// One line of at most `longest` characters.
pub fn line(text: &str, longest: usize) -> String {
    let seen = text.chars().filter(|c| !is_deceptive(*c));
    let mut line: String = seen
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(longest + 1)
        .collect();
    if line.chars().count() > longest {
        line.pop();
        line.push('…');
    }
    line.trim().to_owned()
}

/// A code span, which stays one inside a table.
pub fn code(text: &str) -> String {
    // Our own markers are comments: no text of others may have one.
    let inside: String = line(text, 256)
        .replace("<!--", "<! --")
        .chars()
        .map(|c| match c {
            '`' => 'ˋ',
            '|' => '¦',
            c => c,
        })
        .collect();
    if inside.is_empty() {
        "–".to_owned()
    } else {
        format!("`{inside}`")
    }
}

/// A block of code with a fence that nothing inside can close.
pub fn fenced(text: &str, language: &str) -> String {
    let mut inside = String::with_capacity(text.len());
    for line in text.lines() {
        let seen = line.chars().filter(|c| !is_deceptive(*c));
        inside.extend(seen.map(|c| match c {
            '\t' => '\t',
            c if c.is_control() => ' ',
            c => c,
        }));
        inside.push('\n');
    }
    // Our own markers are comments: no text of others may have one.
    let inside = inside.replace("<!--", "<! --");
    let fence = "`".repeat(longest_run(&inside).max(2) + 1);
    format!("{fence}{language}\n{inside}{fence}\n")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// A link to an address of ours; where it could break out of its place, the address as text.
pub fn link(label: &str, url: &str) -> String {
    // A semicolon could end a character reference, as in `&lt;`.
    let plain = url
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"<>()\\`|[];".contains(&b));
    if plain {
        format!("[{label}](<{url}>)")
    } else {
        format!("{label}: {}", code(url))
    }
}

/// The same as a picture.
pub fn picture(label: &str, target: &str) -> String {
    match link(label, target) {
        link if link.starts_with('[') => format!("!{link}"),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

    use super::*;

    fn events(markdown: &str) -> Vec<Event<'_>> {
        let options =
            Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
        Parser::new_ext(markdown, options).collect()
    }

    /// What attacks are made of, beside anything at all.
    fn hostile() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "`",
            "```",
            "~~~",
            "|",
            "\\",
            "\\|",
            "@octocat",
            "#12",
            "<img src=x onerror=y>",
            "<!--",
            "-->",
            "<!-- drift-tracker end -->",
            "[a](https://evil.example)",
            "![](x)",
            "https://evil.example",
            "www.evil.example",
            "\n",
            "\r\n",
            "\n\n",
            "</details>",
            "&lt;",
            "*",
            "_",
            "- [ ] ",
            "# ",
            "> ",
            "\t",
            "\0",
            "\u{202e}",
            "\u{200b}",
            "    ",
            "$x$",
            "fixes #1",
        ]);
        prop_oneof![
            3 => prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat()),
            1 => any::<String>(),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_value_is_one_code_span_and_nothing_else(text in hostile()) {
            let shown = code(&text);
            prop_assert!(!shown.contains(['\n', '\r', '|']));
            if shown != "–" {
                let sentence = format!("before {shown} after");
                let inside = shown.trim_matches('`');
                prop_assert_eq!(events(&sentence), [
                    Event::Start(Tag::Paragraph),
                    Event::Text("before ".into()),
                    Event::Code(inside.into()),
                    Event::Text(" after".into()),
                    Event::End(TagEnd::Paragraph),
                ]);
            }
        }

        #[test]
        fn a_value_in_a_table_leaves_its_columns_alone(text in hostile()) {
            let table = format!("| a | b |\n| --- | --- |\n| {} | end |\n\nafter", code(&text));
            let events = events(&table);
            let cells = events.iter().filter(|event| matches!(event, Event::End(TagEnd::TableCell))).count();
            prop_assert_eq!(cells, 4);
            prop_assert!(events.contains(&Event::Text("end".into())));
            let active = events.iter().any(|event| matches!(event, Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Link { .. } | Tag::Image { .. })));
            prop_assert!(!active, "{}", table);
        }

        #[test]
        fn a_block_ends_where_we_end_it(text in hostile()) {
            let block = format!("<details>\n\n{}\n</details>\n\nafter", fenced(&text, "yaml"));
            prop_assert!(!block.contains("<!--"));
            let events = events(&block);
            let start = Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced("yaml".into())));
            prop_assert_eq!(events.iter().filter(|event| **event == start).count(), 1);
            let at = events.iter().position(|event| *event == Event::End(TagEnd::CodeBlock)).unwrap();
            let rest: String = events[at + 1..].iter().map(|event| match event {
                Event::Html(text) | Event::Text(text) => text.to_string(),
                _ => String::new(),
            }).collect();
            prop_assert_eq!(rest, "</details>\nafter");
        }

        #[test]
        fn an_address_is_a_link_or_a_text(url in hostile()) {
            let url = format!("https://drift.example/{url}");
            let shown = format!("x {} y", link("Screenshot", &url));
            for event in events(&shown) {
                match event {
                    Event::Start(Tag::Link { dest_url, .. }) => prop_assert_eq!(&*dest_url, url.as_str()),
                    Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Image { .. }) => prop_assert!(false, "{}", shown),
                    _ => {}
                }
            }
        }

        #[test]
        fn a_line_is_one_and_short(text in hostile()) {
            let line = line(&text, 20);
            let bad = line.contains(['\n', '\r', '\u{202e}', '\u{200b}']);
            prop_assert!(line.chars().count() <= 21 && !bad, "{}", line);
        }
    }

    #[test]
    fn an_address_is_not_decoded() {
        let (plain, odd) = (
            "https://drift.example/x?a=1&lt=2",
            "https://drift.example/&lt;",
        );
        assert_eq!(link("Picture", plain), format!("[Picture](<{plain}>)"));
        assert_eq!(link("Picture", odd), format!("Picture: `{odd}`"));
    }

    #[test]
    fn what_a_person_reads_is_what_was_sent() {
        assert_eq!(code("platform.openai.com"), "`platform.openai.com`");
        assert_eq!(code("a`b|c\nd"), "`aˋb¦c d`");
        assert_eq!(code(" \u{202e} "), "–");
        assert_eq!(
            fenced("- button \"Sign up\"\n", "yaml"),
            "```yaml\n- button \"Sign up\"\n```\n"
        );
        assert_eq!(
            link("Screenshot", "https://d.example/x?a=1&b=2"),
            "[Screenshot](<https://d.example/x?a=1&b=2>)"
        );
    }
}
