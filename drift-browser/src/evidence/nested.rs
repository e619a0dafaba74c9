//! The browser's nested account of a document, read without nesting: a page may be deeper than a JSON parser goes, and its
//! flat account leaves closed shadow roots out.

/// The backend ids of all closed shadow roots in the answer of `DOM.getDocument`.
pub(super) fn closed_roots(answer: &str) -> Vec<u64> {
    let mut found = Vec::new();
    // The id of every object that is open, as far as it was told.
    let mut open: Vec<Option<u64>> = Vec::new();
    let mut rest = answer;
    let mut key = "";
    while let Some(at) = rest.find(['{', '}', '"']) {
        let (mark, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = after;
        match mark {
            b'{' => open.push(None),
            b'}' => drop(open.pop()),
            _ => {
                let end = end_of_string(after);
                let text = &after[..end];
                rest = after.get(end + 1..).unwrap_or_default();
                if let Some(value) = rest.strip_prefix(':') {
                    key = text;
                    if key == "backendNodeId" {
                        let digits = value.find(|c: char| !c.is_ascii_digit());
                        let id = value[..digits.unwrap_or(value.len())].parse().ok();
                        if let Some(object) = open.last_mut() {
                            *object = id;
                        }
                    }
                } else if key == "shadowRootType" && text == "closed" {
                    found.extend(open.last().copied().flatten());
                }
            }
        }
    }
    found
}

/// Where a string ends that began before the first byte.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return at,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::closed_roots;

    #[test]
    fn closed_roots_are_found_by_their_own_id_at_any_depth() {
        let inner = r##"{"backendNodeId":7,"nodeName":"#document-fragment","children":[{"backendNodeId":8,"nodeValue":"\"shadowRootType\":\"closed\" {"}],"shadowRootType":"closed"}"##;
        let open = r#"{"backendNodeId":9,"shadowRootType":"open"}"#;
        let mut answer = format!(r#"{{"backendNodeId":2,"shadowRoots":[{inner},{open}]}}"#);
        for id in 100..5000 {
            answer = format!(r#"{{"backendNodeId":{id},"children":[{answer}]}}"#);
        }
        assert_eq!(closed_roots(&answer), [7]);
        for broken in ["", "{", "\"", "{\"shadowRootType\":\"closed\"", "}}}{\"a\\"] {
            assert_eq!(closed_roots(broken), Vec::<u64>::new());
        }
    }
}
