//! Parts that come and go by themselves: promotions, personal labels, texts that a script sets late. What varied among
//! the last good captures of a page is no news when it varies again, so it stays out of hunks and of the distance.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::outline::{self, Item};
use super::signature::Signature;

/// Fewer captures do not show what varies.
const FEWEST: usize = 3;

/// The parts that varied, each by its way down: `main > region "Deals"`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VolatileMask(BTreeSet<String>);

impl VolatileMask {
    /// From the shapes of good captures of one page; `None` for fewer than three.
    pub fn learn(shapes: &[&str]) -> Option<Self> {
        if shapes.len() < FEWEST {
            return None;
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for shape in shapes {
            let mut paths = BTreeSet::new();
            gather(&outline::parse(shape), "", &mut paths);
            for path in paths {
                *seen.entry(path).or_default() += 1;
            }
        }
        let varied = seen
            .iter()
            .filter(|(_, count)| **count < shapes.len())
            .map(|(path, _)| path);
        let mut mask: BTreeSet<String> = BTreeSet::new();
        // In order, so that a part comes before what it holds.
        for path in varied {
            let covered = mask.iter().any(|above| is_below(path, above));
            if !covered {
                mask.insert(path.clone());
            }
        }
        Some(Self(mask))
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How much two shapes agree beside what varies.
    pub fn agreement(&self, before: &str, after: &str) -> f64 {
        let signature = |shape: &str| {
            let mut items = outline::parse(shape);
            self.take_out(&mut items);
            Signature::of(&items)
        };
        signature(before).agreement(&signature(after))
    }

    /// Removes the parts; says how many.
    pub(super) fn take_out(&self, items: &mut Vec<Item>) -> usize {
        if self.0.is_empty() {
            0
        } else {
            self.take_below(items, "")
        }
    }

    fn take_below(&self, items: &mut Vec<Item>, above: &str) -> usize {
        let before = items.len();
        items.retain(|item| !self.0.contains(&way(above, item)));
        let mut taken = before - items.len();
        for item in items {
            let way = way(above, item);
            taken += self.take_below(&mut item.children, &way);
        }
        taken
    }
}

fn way(above: &str, item: &Item) -> String {
    if above.is_empty() {
        item.head()
    } else {
        format!("{above} > {}", item.head())
    }
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.starts_with(" > "))
}

fn gather(items: &[Item], above: &str, into: &mut BTreeSet<String>) {
    for item in items {
        let way = way(above, item);
        gather(&item.children, &way, into);
        into.insert(way);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varied_among_good_captures_is_masked_and_nothing_else() {
        let plain = "- main:\n  - heading [level=1]\n  - list:\n    - listitem";
        let promoted = "- main:\n  - heading [level=1]\n  - region \"Deals\":\n    - link\n  - list:\n    - listitem";
        assert_eq!(VolatileMask::learn(&[plain, promoted]), None);
        let mask = VolatileMask::learn(&[plain, promoted, plain]).unwrap();
        assert_eq!(
            mask.paths().collect::<Vec<_>>(),
            ["main > region \"Deals\""]
        );
        assert_eq!(mask.agreement(plain, promoted), 1.0);
        let without_list = "- main:\n  - heading [level=1]";
        assert!(mask.agreement(plain, without_list) < 1.0);
        let steady = VolatileMask::learn(&[plain, plain, plain]).unwrap();
        assert_eq!(steady.paths().count(), 0);
    }
}
