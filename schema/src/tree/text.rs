//! Text as the rules see it (N1), and the quoting of YAML, by the rules that Playwright's snapshots follow.

use std::borrow::Cow;

/// N1: white space collapsed, invisible characters out.
pub(super) fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        if !c.is_whitespace() && !c.is_control() {
            tidy.push(c);
        } else if !tidy.is_empty() && !tidy.ends_with(' ') {
            tidy.push(' ');
        }
    }
    if tidy.ends_with(' ') {
        tidy.pop();
    }
    tidy
}

/// The private area, where fonts keep their icons.
pub(super) fn is_icon(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}')
}

/// Zero-width, byte order marks, soft hyphens, marks of direction, icons.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    ) || is_icon(c)
}

/// Whether two texts say the same but for case and spacing: what CSS may change on the way to the tree.
pub(super) fn alike(a: &str, b: &str) -> bool {
    a == b || letters(a) == letters(b)
}

/// A text without case and spacing.
pub(super) fn letters(text: &str) -> String {
    let shown = text
        .chars()
        .filter(|c| !c.is_whitespace() && !is_invisible(*c));
    shown.flat_map(char::to_uppercase).collect()
}

/// A name as it stands in a line: `"Sign in"`.
pub(super) fn quoted(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// A whole key as YAML takes it.
pub(super) fn yaml_key(key: &str) -> Cow<'_, str> {
    if needs_quotes(key) {
        Cow::Owned(format!("'{}'", key.replace('\'', "''")))
    } else {
        Cow::Borrowed(key)
    }
}

/// A text behind a colon.
pub(super) fn yaml_value(text: &str) -> Cow<'_, str> {
    if needs_quotes(text) {
        Cow::Owned(quoted(text))
    } else {
        Cow::Borrowed(text)
    }
}

fn needs_quotes(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "y", "n", "yes", "no", "true", "false", "on", "off", "null", "nan", "infinity",
    ];
    let Some(first) = text.chars().next() else {
        return true;
    };
    text.ends_with(':')
        || text.contains(": ")
        || text.contains(" #")
        || text.contains(['{', '}', '`', '\n', '\r'])
        || text.starts_with(char::is_whitespace)
        || text.ends_with(char::is_whitespace)
        || text.chars().any(char::is_control)
        || matches!(
            first,
            '-' | '&' | '*' | ']' | ',' | '?' | '!' | '>' | '|' | '@' | '"' | '\'' | '#' | '%' | '[' | '=' | '~' | '/'
        )
        // Numbers in all their spellings: quoting one word too many is harmless.
        || first.is_ascii_digit()
        || matches!(first, '.' | '+')
        || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_what_nobody_sees_is_gone() {
        assert_eq!(tidy(" a\u{a0}\u{200b}\n\tb\u{ad}c\u{feff} "), "a bc");
        assert_eq!(tidy("\u{e001} Save"), "Save");
        assert_eq!(tidy("a\u{0}b"), "a b");
    }

    #[test]
    fn case_and_spacing_do_not_tell_texts_apart() {
        assert!(alike("SIGN IN", "Sign  in"));
        assert!(!alike("Sign in", "Sign on"));
    }

    #[test]
    fn what_yaml_would_misread_is_quoted() {
        assert_eq!(yaml_key("button \"a: b\""), "'button \"a: b\"'");
        assert_eq!(yaml_key("button \"it's: b\""), "'button \"it''s: b\"'");
        assert_eq!(yaml_key("button \"a\""), "button \"a\"");
        for text in ["12", "yes", "- a", "# a", "a:", "{a}", "\"", "null", ""] {
            assert!(yaml_value(text).starts_with('"'), "{text}");
        }
    }
}
