//! The keys that a flow can press, by the names that browsers give them.

/// Name, what it types, and the code that old pages ask for.
pub const KEYS: [(&str, &str, u32); 12] = [
    ("Enter", "\r", 13),
    ("Tab", "\t", 9),
    ("Escape", "", 27),
    ("Backspace", "", 8),
    ("Delete", "", 46),
    ("ArrowUp", "", 38),
    ("ArrowDown", "", 40),
    ("ArrowLeft", "", 37),
    ("ArrowRight", "", 39),
    ("Home", "", 36),
    ("End", "", 35),
    ("Space", " ", 32),
];

pub fn parse(name: &str) -> Result<String, String> {
    let known = KEYS.iter().any(|(key, ..)| *key == name);
    if known {
        return Ok(name.to_owned());
    }
    let all: Vec<&str> = KEYS.iter().map(|(key, ..)| *key).collect();
    Err(format!("`{name}` is no key; there are {}", all.join(", ")))
}
