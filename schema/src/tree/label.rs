//! N9: what of a name goes into the shape. Numbers, dates and ids become a gap, so that the label says the same
//! tomorrow; what is left is printed as a plain name, or as a regex with `.*` for the gaps.

use super::text;
use super::words;

const LONGEST: usize = 60;
const MOST_WORDS: usize = 8;
/// Characters of a name that are looked at; whatever gaps swallow, a label is made of the first few words.
const FURTHEST: usize = 400;

/// Stands for a number, a date or an id.
const GAP: char = '\u{1}';
/// Stands for an `s` or nothing: one item, two items.
const PLURAL: char = '\u{2}';

/// Two parts of a name meet here, and whether with a space is for the style sheet to say.
pub(super) const SEAM: char = '\u{fdd0}';
/// Stands for the icon of a font, which nobody reads and Playwright has in the name.
pub(super) const ICON: char = '\u{fdd1}';

/// Never empty: has a letter or a sign of its own beside its gaps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Label(String);

impl Label {
    /// A name that N1 went over.
    pub(super) fn of(name: &str) -> Option<Self> {
        let end = name
            .char_indices()
            .nth(FURTHEST)
            .map_or(name.len(), |(at, _)| at);
        let mut tokens = split(&name[..end]);
        absorb(&mut tokens);
        let mut text = String::with_capacity(name.len());
        let mut behind_gap = false;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Gap if behind_gap && text.ends_with(GAP) => {}
                Token::Gap => {
                    text.push(GAP);
                    behind_gap = true;
                }
                // What only separates two parts of one number or date goes with them.
                Token::Mark(_) if behind_gap && joins(&tokens[at..]) => {}
                Token::Mark(mark) => {
                    text.push(*mark);
                    behind_gap &= *mark == ' ';
                }
                Token::Word(word) if behind_gap && counts(word) => {
                    text.push_str(word.strip_suffix('s').unwrap_or(word));
                    text.push(PLURAL);
                    behind_gap = false;
                }
                Token::Word(word) => {
                    text.push_str(word);
                    behind_gap = false;
                }
            }
        }
        let label = Self(text.trim().to_owned());
        label.says_something().then_some(label)
    }

    fn says_something(&self) -> bool {
        let gaps = self.0.contains(GAP);
        self.0.chars().any(|c| match c {
            GAP | PLURAL | SEAM | ICON => false,
            _ if gaps => c.is_alphanumeric(),
            _ => !c.is_whitespace(),
        })
    }

    /// With what another text of the same item says left open: "Add Drill to cart" is "Add … to cart" in the item
    /// whose heading is "Drill".
    pub(super) fn without(&self, phrases: &[Label]) -> Self {
        let mut label = self.0.clone();
        for phrase in phrases {
            if phrase.0.chars().count() >= 3
                && label != phrase.0
                && let Some(at) = label.find(phrase.0.as_str())
                && is_whole(&label, at, phrase.0.len())
            {
                label.replace_range(at..at + phrase.0.len(), &GAP.to_string());
            }
        }
        let open = Self(label);
        if open.says_something() {
            open
        } else {
            self.clone()
        }
    }

    /// As it stands in a line, cut to what a person would call it by.
    pub(super) fn print(&self) -> String {
        let (shown, cut) = self.cut();
        if !cut && !shown.contains([GAP, PLURAL, SEAM, ICON]) {
            return text::quoted(shown);
        }
        // The regex has no anchors: what stands at its ends need not be said.
        let shown = shown.trim_matches([ICON, SEAM, ' ']);
        let mut regex = String::from("/");
        for c in shown.chars() {
            match c {
                GAP | ICON => regex.push_str(".*"),
                SEAM => regex.push_str(" ?"),
                PLURAL => regex.push_str("s?"),
                '.' | '*' | '+' | '?' | '^' | '$' | '(' | ')' | '[' | ']' | '{' | '}' | '|'
                | '\\' | '/' => {
                    regex.push('\\');
                    regex.push(c);
                }
                _ => regex.push(c),
            }
        }
        regex.push('/');
        regex
    }

    fn cut(&self) -> (&str, bool) {
        let mut end = self.0.len();
        let mut words = 1;
        for (count, (at, c)) in self.0.char_indices().enumerate() {
            words += usize::from(c == ' ');
            if words > MOST_WORDS || count >= LONGEST {
                end = at;
                break;
            }
        }
        let shown = &self.0[..end];
        if end == self.0.len() {
            return (shown, false);
        }
        // A word that was cut in two goes as a whole.
        let whole = if self.0[end..].starts_with(' ') {
            shown
        } else {
            shown.rsplit_once(' ').map_or(shown, |(whole, _)| whole)
        };
        (whole.trim_end(), true)
    }
}

#[derive(Debug, PartialEq)]
enum Token<'n> {
    Word(&'n str),
    Mark(char),
    Gap,
}

fn split(name: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(separates).unwrap_or(rest.len());
        if end == 0 {
            tokens.push(Token::Mark(first));
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        rest = after;
        let core = word.trim_matches(['.', '-', '_', '\'', '’', '#', '*']);
        if core.is_empty() || !varies(core) {
            tokens.push(Token::Word(word));
            continue;
        }
        let (before, after) = word.split_once(core).unwrap_or_default();
        tokens.extend(before.chars().map(Token::Mark));
        tokens.push(Token::Gap);
        tokens.extend(after.chars().map(Token::Mark));
    }
    tokens
}

fn separates(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '(' | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | '"'
                | '“'
                | '”'
                | '«'
                | '»'
                | ','
                | ';'
                | ':'
                | '!'
                | '?'
                | '|'
                | '/'
                | '\\'
                | '·'
                | '•'
                | '–'
                | '—'
                | '…'
                | '×'
                | '='
                | SEAM
                | ICON
        )
}

/// A number, a date, an id, an address: it will be another one tomorrow.
fn varies(word: &str) -> bool {
    let at = word
        .find('@')
        .is_some_and(|at| at > 0 && at + 1 < word.len());
    at || word.chars().any(char::is_numeric) || word.chars().count() > 24
}

/// Months, units and currencies go with the number beside them.
fn absorb(tokens: &mut [Token<'_>]) {
    let belongs = |word: &str| {
        let word = word.trim_matches('.');
        words::is_currency(word) || words::belongs_to_a_date(word)
    };
    let mut changed = true;
    while changed {
        changed = false;
        for at in 0..tokens.len() {
            let Token::Word(word) = tokens[at] else {
                continue;
            };
            let beside = |token: Option<&Token<'_>>| token == Some(&Token::Gap);
            let before = tokens[..at].iter().rev().find(|token| !is_comma(token));
            let after = tokens[at + 1..].iter().find(|token| !is_comma(token));
            if (beside(before) || beside(after)) && belongs(word) {
                tokens[at] = Token::Gap;
                changed = true;
            }
        }
    }
}

fn is_comma(token: &Token<'_>) -> bool {
    matches!(token, Token::Mark(' ' | ',' | '.'))
}

/// Whether only marks stand before the next gap.
fn joins(tokens: &[Token<'_>]) -> bool {
    let next = tokens.iter().find(
        |token| !matches!(token, Token::Mark(mark) if matches!(mark, ' ' | ',' | '.' | ':' | '/' | '-' | '–' | '—' | '\'' | '’' | '×')),
    );
    next == Some(&Token::Gap)
}

/// A word that may have a plural: 1 item, 2 items.
fn counts(word: &str) -> bool {
    word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_lowercase()) && !word.ends_with("ss")
}

fn is_whole(text: &str, at: usize, length: usize) -> bool {
    let plain = |c: char| c.is_alphanumeric();
    !text[..at].ends_with(plain) && !text[at + length..].starts_with(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(name: &str) -> Option<String> {
        Label::of(name).map(|label| label.print())
    }

    #[test]
    fn what_counts_and_dates_say_is_left_open() {
        for (name, label) in [
            ("Search", "\"Search\""),
            ("Cart (3)", r"/Cart \(.*\)/"),
            ("Cart (1,234)", r"/Cart \(.*\)/"),
            ("3 items", "/.* items?/"),
            ("1 item", "/.* items?/"),
            ("Pay $12.50 now", "/Pay .* now/"),
            ("Pay 12,50 € now", "/Pay .* now/"),
            ("Pay 1 234,50 EUR now", "/Pay .* now/"),
            ("Updated Nov 21, 2026 at 3:15 PM", "/Updated .* at .*/"),
            ("Updated 21.11.2026 at 15:15", "/Updated .* at .*/"),
            ("Updated 2 hours ago", "/Updated .*/"),
            ("Delete sku-12B-x9", "/Delete .*/"),
            ("Signed in as jo@example.org", "/Signed in as .*/"),
            ("Say \"hi\"", r#""Say \"hi\"""#),
            ("May we help?", "\"May we help?\""),
            ("×", "\"×\""),
        ] {
            assert_eq!(printed(name).as_deref(), Some(label), "{name}");
        }
        for nothing in ["12", "(3)", "2026-11-21", "$5.00", "", "1 / 5"] {
            assert_eq!(printed(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_words() {
        assert_eq!(
            printed("I agree to the terms of service and the privacy policy").as_deref(),
            Some("/I agree to the terms of service and/")
        );
        let long = printed(&"abcdefghijklmnop ".repeat(7)).unwrap();
        assert_eq!(long, format!("/{}/", ["abcdefghijklmnop"; 3].join(" ")));
    }

    #[test]
    fn seams_and_icons_are_left_open() {
        let named = |name: &str| printed(&name.replace('|', "\u{fdd0}").replace('@', "\u{fdd1}"));
        for (name, label) in [
            ("@ Save", "/Save/"),
            ("Save @ all", "/Save .* all/"),
            ("Visa|Mastercard", "/Visa ?Mastercard/"),
            ("Inbox|3", "/Inbox ?.*/"),
        ] {
            assert_eq!(named(name).as_deref(), Some(label), "{name}");
        }
        assert_eq!(named("@"), None);
        assert_eq!(named("@|3"), None);
    }

    #[test]
    fn what_the_item_is_called_is_left_open() {
        let phrase = [Label::of("Bosch Drill 500").unwrap()];
        let label = Label::of("Add Bosch Drill 500 to cart").unwrap();
        assert_eq!(label.without(&phrase).print(), "/Add .* to cart/");
        let same = Label::of("Bosch Drill 500").unwrap();
        assert_eq!(same.without(&phrase), same);
    }
}
