//! The body of an issue: what broke, since when, how often, the verdict, what changed, the proof, and what comes next.

use drift_schema::TripwireKind;
use drift_schema::run::{Counted, Seen};

use super::neutral::{code, fenced, line, link, picture};
use super::own::{Identity, around, block, part};
use super::{kind_name, minute, plural};
use crate::tracker::{Picture, Story};

/// GitHub takes 65,536 characters. In bytes and with some room, so that every way of counting is satisfied.
pub const LIMIT: usize = 65_000;
pub const COUNTERS: &str = "counters";
pub const PICTURES: &str = "pictures";

/// Of the changes, which come before the tree and must leave room for it.
const CHANGES_BYTES: usize = 16_000;

/// Our block, short enough to fit into a body with what people wrote around it. What has to go says so.
pub fn body(story: &Story<'_>, identity: &Identity, existing: &str) -> String {
    let room = LIMIT.saturating_sub(around(existing, identity) + 4);
    let whole = block(identity, &text(story, usize::MAX, true));
    if whole.len() <= room {
        return whole;
    }
    let without_tree = block(identity, &text(story, 0, true)).len();
    if without_tree <= room {
        return block(identity, &text(story, room - without_tree, true));
    }
    block(identity, &text(story, 0, false))
}

fn text(story: &Story<'_>, tree_room: usize, with_changes: bool) -> String {
    let sections = [
        what_broke(story),
        since_when(story),
        part(COUNTERS, &counters(story)),
        verdict(story),
        changes(story, with_changes),
        part(PICTURES, &pictures(story)),
        digest_and_tree(story, tree_room),
        reproduce(story),
        next(story),
    ];
    sections
        .into_iter()
        .filter(|section| !section.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

fn what_broke(story: &Story<'_>) -> String {
    let step = code(story.drift.step.as_str());
    let kind = story.proof.map(|proof| proof.kind);
    let happened = match kind {
        Some(TripwireKind::SelectorMissing) | None => "did not find on the page what it looks for",
        Some(TripwireKind::UnexpectedNav) => "came to another page than the one it expects",
        Some(TripwireKind::Timeout) => "waited for the page in vain",
    };
    let host = story.proof.and_then(|proof| proof.url_host.as_ref());
    let place = host.map_or_else(String::new, |host| format!(" on {}", code(host.as_str())));
    let name = kind.map_or_else(String::new, |kind| format!(" ({})", code(kind_name(kind))));
    let page = story.page.as_ref().map_or_else(String::new, |page| {
        let label = "Timeline, plot, and what can be decided";
        format!(
            "\n{}: replay, mute, mark as fixed, rename.\n",
            link(label, page)
        )
    });
    format!(
        "The scraper of {} {happened} at its step {step}{place}{name}.\n{page}",
        code(story.service.as_str())
    )
}

fn since_when(story: &Story<'_>) -> String {
    let drift = story.drift;
    let good = match &drift.last_good {
        Some(good) => {
            let version = good.scraper_version.as_ref();
            let version = version.map_or_else(String::new, |version| {
                format!(", scraper {}", code(version.as_str()))
            });
            format!("{}{version}", minute(good.at))
        }
        None => "no replay has passed this step yet".to_owned(),
    };
    let first_reported = drift.seen.first.map(minute);
    let first_bad = drift
        .first_bad
        .or(story.proof.map(|proof| proof.at))
        .map(minute);
    let shown = |time: Option<String>| time.unwrap_or_else(|| "–".to_owned());
    format!(
        "### Since when\n\n- Last good replay: {good}\n- First report: {}\n- First failed replay: {}\n",
        shown(first_reported),
        shown(first_bad)
    )
}

/// The part that each bump renews.
pub fn counters(story: &Story<'_>) -> String {
    let Seen {
        reports,
        first,
        last,
        kinds,
        versions,
        hosts,
        digests,
        ..
    } = &story.drift.seen;
    let mut text = format!("### Reports\n\n**{}**", plural(*reports, "report"));
    if let (Some(first), Some(last)) = (first, last) {
        text += &format!(
            ", the first {}, the latest {}",
            minute(*first),
            minute(*last)
        );
    }
    text += ".\n\n| | |\n| --- | --- |\n";
    for (name, values) in [
        ("Kinds", kinds),
        ("Versions", versions),
        ("Hosts", hosts),
        ("DOM digests", digests),
    ] {
        text += &format!("| {name} | {} |\n", counted(values));
    }
    let told: i64 = kinds.iter().map(|kind| kind.count).sum();
    if told < *reports {
        text += &format!(
            "\nThe table is about {told} of them: of the others it is not counted yet, or was erased.\n"
        );
    }
    text
}

fn counted(values: &[Counted]) -> String {
    let shown: Vec<String> = values
        .iter()
        .take(20)
        .map(|it| format!("{} × {}", code(&it.value), it.count))
        .collect();
    match (shown.is_empty(), values.len() > 20) {
        (true, _) => "–".to_owned(),
        (false, false) => shown.join(", "),
        (false, true) => format!("{}, …", shown.join(", ")),
    }
}

fn verdict(story: &Story<'_>) -> String {
    let Some(proof) = story.proof else {
        return String::new();
    };
    let version = proof.scraper_version.as_ref();
    let version = version.map_or_else(String::new, |version| {
        format!(" with scraper {}", code(version.as_str()))
    });
    format!(
        "### Verdict\n\n**Confirmed** {}{version}: the replay tripped at this step in {} of {}.\n",
        minute(proof.at),
        proof.tripped,
        if proof.tries == 1 {
            "1 try".to_owned()
        } else {
            format!("{} tries", proof.tries)
        }
    )
}

fn changes(story: &Story<'_>, shown: bool) -> String {
    let Some(changes) = &story.changes else {
        let why = if story
            .drift
            .last_good
            .as_ref()
            .is_some_and(|good| good.tree.is_some())
        {
            "The tree of this failure could not be compared with the last good one."
        } else {
            "There is nothing to compare with yet: no replay has passed this step and kept its tree."
        };
        return format!("### What changed in the tree\n\n{why}\n");
    };
    if !shown {
        return "### What changed in the tree\n\n_Left out: the text around this block leaves no room._\n".to_owned();
    }
    let mut text = "### What changed in the tree\n\n".to_owned();
    match changes.nearest() {
        Some(first) => {
            for change in std::iter::once(first).chain(changes.other_changes()) {
                text += &format!("- {}\n", code(&change));
            }
        }
        None => text += &format!("{}\n", code(&changes.sentence())),
    }
    if !changes.is_empty() {
        text += &format!("\n{}", cut(&changes.patch(), "diff", CHANGES_BYTES, None));
    }
    text
}

/// Pictures, or what stands in their place. Renewed when a link expires or a new picture comes.
pub fn pictures(story: &Story<'_>) -> String {
    let mut text = "### Screenshot\n\n".to_owned();
    text += &match &story.picture {
        Some(shown) => format!("{}\n", shown_picture("Screenshot of the replay", shown)),
        None => "The replay brought no screenshot.\n".to_owned(),
    };
    if let Some(shown) = &story.reported_picture {
        text += &format!(
            "\n{}\n",
            shown_picture("Latest screenshot from the field", shown)
        );
    }
    let missing = story
        .proof
        .map(|proof| proof.missing.as_slice())
        .unwrap_or_default();
    for missing in missing {
        text += &format!("\nEvidence is missing: {}\n", code(missing));
    }
    text
}

fn shown_picture(label: &str, shown: &Picture) -> String {
    match shown {
        Picture::Link { digest, url } => format!(
            "{} ({}; the link expires and is renewed with each report)",
            link(label, url),
            code(digest.as_str())
        ),
        Picture::Inline { digest, target } => format!(
            "{}\n\n{label}, {}",
            picture(label, target),
            code(digest.as_str())
        ),
        Picture::Missing { digest, why } => format!(
            "{label} {} cannot be shown: {}",
            code(digest.as_str()),
            code(why)
        ),
    }
}

fn digest_and_tree(story: &Story<'_>, room: usize) -> String {
    let Some(proof) = story.proof else {
        return String::new();
    };
    let digest = proof
        .dom_digest
        .as_ref()
        .map_or_else(|| "none".to_owned(), |digest| code(digest.as_str()));
    let mut text =
        format!("<details><summary>DOM digest and full tree</summary>\n\nDOM digest: {digest}\n\n");
    text += &match (&story.tree, &proof.tree) {
        (Some(tree), _) => cut(tree, "yaml", room, story.tree_link.as_deref()),
        (None, Some(stored)) => format!(
            "The tree is stored as {}, and could not be read.\n",
            code(stored.as_str())
        ),
        (None, None) => "The scraper told no tree.\n".to_owned(),
    };
    text + "\n</details>\n"
}

/// A fenced text of at most `room` bytes, whole lines, with a notice where something was cut.
fn cut(text: &str, language: &str, room: usize, whole: Option<&str>) -> String {
    let fenced_whole = fenced(text, language);
    if fenced_whole.len() <= room {
        return fenced_whole;
    }
    let rest = whole.map_or_else(String::new, |url| {
        format!(" {}.", link("The whole of it", url))
    });
    let notice = |left_out: usize| {
        format!(
            "\n**Cut here:** {} did not fit into the issue.{rest}\n",
            plural(i64::try_from(left_out).unwrap_or(i64::MAX), "line")
        )
    };
    // The fence is not longer than the text's longest run of backticks, twice.
    let overhead =
        notice(usize::MAX >> 1).len() + 2 * (fenced_whole.len() - text.len()).min(512) + 64;
    let mut kept = String::new();
    let mut size = overhead;
    let mut lines = text.lines();
    let mut left_out = 0;
    for line in lines.by_ref() {
        // Breaking our markers up makes them longer.
        size += line.len() + 1 + line.matches("<!--").count();
        if size > room {
            left_out = 1;
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    left_out += lines.count();
    if kept.is_empty() {
        return notice(left_out);
    }
    fenced(&kept, language) + &notice(left_out)
}

fn reproduce(story: &Story<'_>) -> String {
    let mut text = "### How to reproduce\n\n".to_owned();
    let own = format!("drift-runner replay --service {}\n", story.service);
    let command = story.command.map(|command| line(command, 400));
    let commands = match &command {
        Some(command) => format!("{own}# or the scraper alone:\n{command}\n"),
        None => own,
    };
    text += &fenced(&commands, "sh");
    text + "\nDoes the page open in a browser? Then look whether the element was renamed, moved or removed, or stands behind \
            something new: a dialog, a consent banner, another variant of the page.\n"
}

fn next(story: &Story<'_>) -> String {
    let more = format!(
        "### What happens next\n\n\
         - More reports of this step change the counters above. A comment comes only with news: another digest, version or picture.\n\
         - Nothing is replayed as long as this issue is open.\n\
         - Close it when a fix is out: {} is then replayed once, and the issue reopened with the reason if the step still trips.\n\
         - The label `drift/quiet` stops comments here. What stands outside of this block, and labels of yours, are left alone.\n",
        code(story.service.as_str())
    );
    match story.follows {
        Some(number) => format!("{more}- The issue before this one, #{number}, is gone.\n"),
        None => more,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_cut_fits_and_says_so(line in "[a-z`<!\u{e9}-]{0,30}", lines in 0..4_000_usize, room in 400..20_000_usize) {
            let text = format!("{line}<!--\n").repeat(lines);
            let shown = cut(&text, "yaml", room, None);
            prop_assert!(shown.len() <= room, "{} of {room}", shown.len());
            prop_assert!(shown.contains("Cut here") || shown == fenced(&text, "yaml"));
        }
    }
}
