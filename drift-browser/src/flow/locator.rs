//! How a flow says which element it means, in the words of the accessibility tree: `button "Continue"`,
//! `textbox /e-?mail/i`, `css form input[type=email]`, `dialog "Sign in" >> button "Next"`.

use std::fmt;

use super::pattern::TextPattern;

/// The roles of WAI-ARIA that a page can show.
const ROLES: [&str; 68] = [
    "alert",
    "alertdialog",
    "article",
    "banner",
    "blockquote",
    "button",
    "caption",
    "cell",
    "checkbox",
    "code",
    "columnheader",
    "combobox",
    "complementary",
    "contentinfo",
    "definition",
    "deletion",
    "dialog",
    "document",
    "emphasis",
    "feed",
    "figure",
    "form",
    "grid",
    "gridcell",
    "group",
    "heading",
    "img",
    "insertion",
    "link",
    "list",
    "listbox",
    "listitem",
    "log",
    "main",
    "marquee",
    "math",
    "menu",
    "menubar",
    "menuitem",
    "menuitemcheckbox",
    "menuitemradio",
    "meter",
    "navigation",
    "note",
    "option",
    "paragraph",
    "progressbar",
    "radio",
    "radiogroup",
    "region",
    "row",
    "rowgroup",
    "rowheader",
    "search",
    "searchbox",
    "separator",
    "slider",
    "spinbutton",
    "status",
    "strong",
    "switch",
    "tab",
    "table",
    "tablist",
    "tabpanel",
    "term",
    "textbox",
    "timer",
];

/// One way to an element: from the page, or from what the part before it found.
#[derive(Debug, Clone)]
pub struct Locator {
    source: String,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub enum Part {
    /// Chromium's own computed role and name, so what a screen reader would say.
    Role {
        role: &'static str,
        name: Option<TextPattern>,
    },
    /// In the document and in every open shadow root below.
    Css(String),
    /// The smallest element with this text.
    Text(TextPattern),
    /// A field by its label.
    Label(TextPattern),
    Placeholder(TextPattern),
    /// `data-testid` and its relatives.
    TestId(TextPattern),
}

impl Locator {
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Result<Vec<Part>, String> = text.split(" >> ").map(parse_part).collect();
        Ok(Self {
            source: text.trim().to_owned(),
            parts: parts?,
        })
    }
}

fn parse_part(text: &str) -> Result<Part, String> {
    let text = text.trim();
    let (word, rest) = text
        .split_once(char::is_whitespace)
        .map_or((text, ""), |(word, rest)| (word, rest.trim()));
    let pattern = || match rest {
        "" => Err(format!("`{word}` needs a \"text\" or an /expression/")),
        rest => TextPattern::parse(rest),
    };
    Ok(match word {
        "" => return Err("an empty locator".to_owned()),
        "css" if rest.is_empty() => return Err("`css` needs a selector".to_owned()),
        "css" => Part::Css(rest.to_owned()),
        "text" => Part::Text(pattern()?),
        "label" => Part::Label(pattern()?),
        "placeholder" => Part::Placeholder(pattern()?),
        "testid" => Part::TestId(pattern()?),
        word => match ROLES.iter().find(|&&role| role == word) {
            Some(role) => Part::Role {
                role,
                name: (!rest.is_empty())
                    .then(|| TextPattern::parse(rest))
                    .transpose()?,
            },
            None => return Err(unknown(word)),
        },
    })
}

fn unknown(word: &str) -> String {
    let hint = match word {
        "input" | "textarea" | "field" => "; a field is a `textbox \"its label\"`",
        "a" => "; it is `link \"its text\"`",
        "select" | "dropdown" => "; it is `combobox \"its label\"`",
        "image" => "; it is `img \"its text\"`",
        word if word.starts_with(['.', '#', '[', '/']) => "; a CSS selector begins with `css `",
        _ => "",
    };
    format!(
        "`{word}` is neither a role (button, textbox, link …) nor one of css, text, label, placeholder, testid{hint}"
    )
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// Ordered alternatives: the first that finds something wins.
#[derive(Debug, Clone, Default)]
pub struct Locators(pub Vec<Locator>);

impl fmt::Display for Locators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, locator) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(", or ")?;
            }
            locator.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locator_reads_like_a_line_of_the_tree() {
        for good in [
            "button \"Continue\"",
            "heading",
            "textbox /e-?mail/i",
            "css form > input[type=\"email\"]",
            "text 'Verify your email'",
            "testid \"signup\"",
            "dialog \"Sign in\" >> button \"Next\"",
        ] {
            assert_eq!(Locator::parse(good).unwrap().to_string(), good);
        }
        assert_eq!(
            Locator::parse("dialog >> button \"Next\"")
                .unwrap()
                .parts
                .len(),
            2
        );
    }

    #[test]
    fn a_mistake_is_explained_with_what_to_write_instead() {
        for (bad, told) in [
            ("#submit", "a CSS selector begins with `css `"),
            ("input \"Email\"", "a field is a `textbox \"its label\"`"),
            ("css", "needs a selector"),
            ("text", "needs a \"text\""),
            ("button Continue", "expected \"text\" or /expression/"),
            ("dialog >> ", "empty locator"),
        ] {
            let error = Locator::parse(bad).unwrap_err();
            assert!(error.contains(told), "{bad}: {error}");
        }
    }
}
