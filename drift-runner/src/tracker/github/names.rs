//! Repositories by name, and names in paths.

use std::fmt;

use url::Url;

/// `owner/name`, as in `GITHUB_REPOSITORY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (owner, name) = text.split_once('/').ok_or(RULE)?;
        let plain = |part: &str| {
            let bytes = part.as_bytes();
            let known = bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
            (1..=100).contains(&bytes.len()) && known && part != "." && part != ".."
        };
        if plain(owner) && plain(name) {
            Ok(Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
            })
        } else {
            Err(RULE)
        }
    }

    /// From `https://github.com/owner/name/issues/12`.
    pub fn of_issue(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let mut path = url.path_segments()?.rev();
        let (_number, issues) = (path.next()?, path.next()?);
        let (name, owner) = (path.next()?, path.next()?);
        if issues != "issues" {
            return None;
        }
        Self::parse(&format!("{owner}/{name}")).ok()
    }

    /// The path of something in this repository, at the API.
    pub fn path(&self, rest: &str) -> String {
        format!("/repos/{self}{rest}")
    }
}

const RULE: &str = "is not the name of a repository, as in octo-org/drift";

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// One segment of a path, or a value in a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        assert_eq!(
            Repository::parse("octo-org/my.repo_1")
                .unwrap()
                .path("/issues"),
            "/repos/octo-org/my.repo_1/issues"
        );
        for bad in [
            "", "octo", "octo/", "/repo", "a/b/c", "a/..", "a/b?c", "a/b c", "a%2f/b",
        ] {
            assert!(Repository::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_issue_tells_its_repository() {
        let of = |url| Repository::of_issue(url).map(|repository| repository.to_string());
        assert_eq!(
            of("https://github.com/a/b/issues/12"),
            Some("a/b".to_owned())
        );
        assert_eq!(
            of("https://git.corp.example/x/a/b/issues/12"),
            Some("a/b".to_owned())
        );
        assert_eq!(of("https://github.com/a/b/pull/12"), None);
        assert_eq!(of("file:///x/0001.md"), None);
        assert_eq!(of("nonsense"), None);
    }

    #[test]
    fn a_label_is_one_segment() {
        assert_eq!(encoded("drift/open ai&x"), "drift%2Fopen%20ai%26x");
    }
}
