//! The one issue that takes what is too much for a tick: a row for each drift, found again by its marker.

use drift_schema::Micros;

use super::body::LIMIT;
use super::neutral::{code, link};
use super::own::{Identity, block, part, read_part, with_part};
use super::{minute, second};
use crate::tracker::{Picture, Story};

const ROWS: &str = "rows";
const HEAD: &str = "| step | state | since | reports | DOM digest | screenshot |\n| --- | --- | --- | --- | --- | --- |";

pub fn folded_title(now: Micros) -> String {
    format!("drift: many steps failing as of {}", second(now))
}

pub fn folded_body(first_row: &str) -> String {
    let text = format!(
        "More steps broke at once than one pass may open issues for. Each of these was confirmed by a replay.\n\n{}\n\
         ### What happens next\n\n\
         - More reports change the rows. Nothing is replayed as long as this issue is open.\n\
         - Close it when fixes are out: each step is then replayed once, and this issue reopened with the reason if one still trips.\n\
         - The label `drift/quiet` stops comments here. What stands outside of this block, and labels of yours, are left alone.\n",
        part(ROWS, &format!("{HEAD}\n{first_row}"))
    );
    block(&Identity::folded(), &text)
}

fn row_marker(identity: &Identity) -> String {
    format!("<!-- drift-tracker row {} -->", identity.as_str())
}

pub fn has_row(body: &str, identity: &Identity) -> bool {
    body.contains(&row_marker(identity))
}

pub fn row(story: &Story<'_>, identity: &Identity, state: &str) -> String {
    let proof = story.proof;
    let since = story.drift.first_bad.or(proof.map(|proof| proof.at));
    let digest = proof.and_then(|proof| proof.dom_digest.as_ref());
    let picture = match &story.picture {
        Some(Picture::Link { url, .. }) => link("screenshot", url),
        _ => "–".to_owned(),
    };
    format!(
        "| {}{} {} | {state} | {} | {} | {} | {picture} |",
        row_marker(identity),
        code(story.service.as_str()),
        code(story.drift.step.as_str()),
        since.map_or_else(|| "–".to_owned(), minute),
        story.drift.seen.reports,
        digest.map_or_else(|| "–".to_owned(), |digest| code(&digest.as_str()[..12])),
    )
}

/// The body with this row, in the place of the one of the same drift. None: there is no room, or no list any more.
pub fn with_row(body: &str, identity: &Identity, row: &str) -> Option<String> {
    let marker = row_marker(identity);
    let rows = read_part(body, ROWS)?;
    let mut found = false;
    let mut lines: Vec<&str> = rows
        .lines()
        .map(|line| {
            let this = line.contains(&marker);
            found |= this;
            if this { row } else { line }
        })
        .collect();
    if !found {
        lines.push(row);
    }
    let renewed = with_part(body, ROWS, &lines.join("\n"))?;
    (renewed.len() <= LIMIT).then_some(renewed)
}
