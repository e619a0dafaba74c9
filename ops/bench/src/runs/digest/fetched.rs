//! The digest beside what it costs to fetch its tree: pages in a real Chromium, asked for again and again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use drift_browser::browser::Browser;
use drift_browser::capture::capture;
use drift_browser::page::Page;
use drift_browser::settings::Settings;
use drift_schema::tree::{Digested, unmasked};

use crate::report::{Row, Table, median};

/// Of what fetching costs.
const TARGET: f64 = 0.05;
const SETTLE_DEADLINE: Duration = Duration::from_secs(5);

pub async fn run(seconds: f64, pages: &[PathBuf]) -> Result<Table> {
    let mut table = Table::new("Digest beside fetching its tree from Chromium, median");
    let each = Duration::from_secs_f64(seconds / pages.len() as f64);
    let browser = Browser::open(&Settings::from_process().launch(), None).await?;
    let tab = browser.page().await?;
    let mut ratios = Vec::new();
    for page in pages {
        let name = page.file_name().unwrap_or_default().to_string_lossy();
        let (digested, fetched, nodes) = measure(&tab, page, each).await?;
        ratios.push(digested / fetched);
        table.push(
            Row::new(format!("{name}, {nodes} nodes"), digested, "ms").against("fetching", fetched),
        );
    }
    browser.close(&tab, false).await?;
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    let within = ratios.iter().filter(|ratio| **ratio <= TARGET).count();
    let all = pages.len();
    table.push(
        Row::new(
            format!("all {all}, median of the ratios"),
            median(ratios),
            "",
        )
        .under(TARGET)
        .note(format!(
            "{within} of {all} within {TARGET}, the worst {worst:.3}"
        )),
    );
    Ok(table)
}

/// Milliseconds of the digest and of fetching, and how large the tree is.
async fn measure(tab: &Page, page: &Path, time: Duration) -> Result<(f64, f64, usize)> {
    // Where it really lies, so that it finds its pictures and style sheets.
    let page = page.canonicalize()?;
    tab.load(&format!("file://{}", page.display())).await?;
    tab.settle(SETTLE_DEADLINE).await?;
    let start = Instant::now();
    let (mut fetched, mut digested, mut nodes) = (Vec::new(), Vec::new(), 0);
    while fetched.len() < 5 || start.elapsed() < time {
        let begin = Instant::now();
        let captured = capture(tab).await?;
        fetched.push(begin.elapsed().as_secs_f64() * 1e3);
        let begin = Instant::now();
        std::hint::black_box(Digested::of(&captured, &unmasked));
        digested.push(begin.elapsed().as_secs_f64() * 1e3);
        nodes = captured.ax.len();
    }
    Ok((median(digested), median(fetched), nodes))
}

/// The pages of a folder, in the order of their names.
pub fn saved(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder
        .canonicalize()
        .and_then(|folder| folder.read_dir())
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut pages = paths.collect::<Result<Vec<PathBuf>>>()?;
    pages.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "html")
    });
    if pages.is_empty() {
        bail!("no *.html in {}", folder.display());
    }
    pages.sort();
    Ok(pages)
}

/// A page as shops have them: sections of cards with wrappers, prices and buttons, and a table in each.
pub fn shop(sections: usize) -> String {
    let mut page = String::from(
        "<!doctype html><title>Shop</title><header class=top><nav aria-label=Main><a href=/>Home</a> <a href=/deals>Deals</a></nav>\
         <form role=search aria-label=Site><input type=search aria-label=Search><button>Search</button></form></header><main>",
    );
    for section in 0..sections {
        page +=
            &format!("<section class='css-1x7f part'><h2>Section {section}</h2><ul class=cards>");
        for card in 0..24 {
            page += &format!(
                "<li class='card card--{card}'><div class=card__frame><a href='/p/{section}-{card}'>Cordless drill no. {section}-{card}</a>\
                 <div class=card__body><h3>Cordless drill no. {section}-{card}</h3><div class=price>${card}9.00, delivered tomorrow</div>\
                 <button data-id={card}>Add to cart</button></div></div></li>"
            );
        }
        page += "</ul><table aria-label=Stock><tr><th>Shop<th>In stock<th>Reserved<th>Next</tr>";
        for row in 0..12 {
            page += &format!("<tr><td>Shop {row}<td>{row}2<td>{section}<td>Monday</tr>");
        }
        page += "</table></section>";
    }
    page + "</main><footer><a href=/terms>Terms</a></footer>"
}
