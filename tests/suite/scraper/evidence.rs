//! What a tripwire shows is safe to publish. Each page here shows the same secret in another way; a program for reading
//! pictures looks for it in the picture, and we in everything else.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::scraper::{Run, Scraper};
use harness::site::RunningSite;

/// Big letters, so that a program can read what is not black.
const STYLE: &str = "<!doctype html><meta charset=utf-8><style>*{font:700 30px monospace}input,textarea{width:90%}</style><h1>VISIBLE</h1>";
const SECRET: &str = "HUNTERTWOZEBRA";
const KEY: &str = "sk-or-v1-QUAGGA7WALRUS7BADGER7";

/// Ways to show a secret.
const PAGES: [(&str, &str); 31] = [
    ("text", "<p>Your word is SECRET.</p>"),
    ("key", "<p>Your key is <code>KEY</code></p>"),
    ("cut", "<p><b>HUNTER</b><i>TWO</i><span>ZEBRA</span></p>"),
    ("wrapped", "<p>HUNTER<wbr>TWO&#8203;ZEB&shy;RA</p>"),
    (
        "boxes",
        "<div style='display:flex'><div>HUNTER</div><div>TWO</div><div>ZEBRA</div></div>",
    ),
    (
        "case",
        "<p style='text-transform:uppercase'>huntertwozebra</p>",
    ),
    ("field", "<input value=SECRET>"),
    ("area", "<textarea>SECRET</textarea>"),
    (
        "typed",
        "<input type=text id=i><script>i.value='SECRET'</script>",
    ),
    (
        "important",
        "<style>input,p{color:red!important;background:yellow!important;transition:all 9s!important;\
         -webkit-text-fill-color:blue!important}</style><p>SECRET</p><input value=SECRET>",
    ),
    (
        "editable",
        "<div contenteditable><p style='color:red'>SECRET</p></div>",
    ),
    (
        "open-shadow",
        "<div id=h></div><script>h.attachShadow({mode:'open'}).innerHTML='<p>SECRET</p><input value=SECRET>'</script>",
    ),
    (
        "closed-shadow",
        "<div id=h></div><script>h.attachShadow({mode:'closed'}).innerHTML='<p>SECRET</p><input value=SECRET>'</script>",
    ),
    (
        "frame",
        "<iframe width=700 srcdoc=\"<style>*{font:700 30px monospace}</style><p>SECRET</p><input value=SECRET>\"></iframe>",
    ),
    (
        "svg",
        "<svg width=700 height=60><text x=0 y=40>SECRET</text></svg>",
    ),
    (
        "canvas",
        "<canvas id=c width=700 height=60></canvas><script>let x=c.getContext('2d');\
         x.font='700 30px monospace';x.fillText('SECRET',0,40)</script>",
    ),
    (
        "drawn",
        "<style>.d::after{content:attr(data-k)}</style><p class=d data-k=SECRET></p>",
    ),
    (
        "literal",
        "<style>p::before{content:'SECRET'}</style><p>of a style sheet</p>",
    ),
    (
        "variable",
        "<style>p::after{content:var(--word)}</style><p style=\"--word:'SECRET'\">x</p>",
    ),
    (
        "marker",
        "<style>li::marker{content:'SECRET '}</style><ul style='padding:0 0 0 600px'><li>x</ul>",
    ),
    (
        "placeholder",
        "<style>#i::placeholder{color:red!important;-webkit-text-fill-color:red!important}</style>\
         <input id=i placeholder=SECRET>",
    ),
    (
        "button",
        "<input type=button id=b><script>b.value='SECRET'</script>",
    ),
    (
        "drawing",
        "<dialog id=d style='top:200px'><svg width=600 height=60><text y=40><tspan>HUNTER</tspan>\
         <tspan>TWOZEBRA</tspan></text></svg></dialog><script>d.showModal()</script>",
    ),
    (
        "picture",
        "<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='700' height='60'>\
         <text y='40' font-size='30'>SECRET</text></svg>\">",
    ),
    (
        "background",
        "<div style=\"width:700px;height:60px;background:url(&quot;data:image/svg+xml,\
         <svg xmlns='http://www.w3.org/2000/svg' width='700' height='60'><text y='40' font-size='30'>SECRET\
         </text></svg>&quot;)\"></div>",
    ),
    // Each of these letters is two in lower case.
    ("long-letters", "<p>İİİİİİİİİİİİİİİİİİİİ SECRET</p>"),
    (
        "attributes",
        "<title>SECRET</title><a href='#SECRET' title='SECRET' aria-label='SECRET'>x</a><p id=SECRET class=SECRET>y</p>",
    ),
    // What a browser says of a field by itself, in a bubble that is no part of the page.
    (
        "bubble",
        "<input id=i required><script>i.setCustomValidity('SECRET SECRET');setTimeout(()=>i.reportValidity(),50)</script>",
    ),
    (
        "bubble-in-shadow",
        "<div id=h></div><script>let r=h.attachShadow({mode:'closed'});r.innerHTML='<input>';let i=r.firstChild;\
         i.setCustomValidity('SECRET SECRET');setTimeout(()=>i.reportValidity(),50)</script>",
    ),
    (
        "bubble-in-frame",
        "<iframe width=700 srcdoc=\"<input id=i><script>i.setCustomValidity('SECRET SECRET');\
         setTimeout(()=>i.reportValidity(),50)</script>\"></iframe>",
    ),
    (
        "redrawn",
        "<p id=p></p><script>setInterval(()=>{p.innerHTML='<b>SECRET</b>';p.removeAttribute('style')},1)</script>",
    ),
];

/// A run that trips on a page, knowing the secret or not.
async fn trips(address: &str, knows: bool, more: &str) -> Run {
    let scraper = Scraper::default().with("WORD", if knows { SECRET } else { "something else" });
    let flow = scraper.flow(&format!(
        "{more}\n[secrets]\nword = {{ env = \"WORD\" }}\n[[step]]\nname = \"look\"\nsettle = \"300ms\"\ndeadline = \"4s\"\n\
         do = [{{ goto = '{address}' }}, {{ click = 'button \"Nobody\"' }}]\n"
    ));
    let run = scraper.run(&flow, &[]).await;
    assert_eq!(
        run.ending(),
        "tripwire selector-missing look",
        "{address}: {}",
        run.errors
    );
    run
}

/// A page as an address of its own.
fn page(folder: &Path, name: &str, body: &str) -> String {
    let body = body.replace("SECRET", SECRET).replace("KEY", KEY);
    let file = folder.join(format!("{name}.html"));
    std::fs::write(&file, format!("{STYLE}{body}")).expect("written");
    // No secret in it: the address is shown, too.
    format!("file://{}", file.display())
}

/// What a program reads in a picture.
fn letters(png: &[u8]) -> String {
    let mut tesseract = Command::new("tesseract")
        .args(["-", "-", "--psm", "11"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tesseract runs; on Debian: apt-get install tesseract-ocr (ops/test does)");
    tesseract
        .stdin
        .take()
        .expect("piped")
        .write_all(png)
        .expect("written");
    let output = tesseract.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).to_uppercase()
}

/// Every part of the secret that is long enough to be no accident.
fn tells(text: &str) -> Option<&'static str> {
    let text: String = text.to_uppercase().split_whitespace().collect();
    ["HUNTER", "UNTERTW", "ZEBRA", "QUAGGA", "WALRUS", "BADGER"]
        .into_iter()
        .find(|part| text.contains(part))
}

#[tokio::test]
async fn no_way_of_showing_a_secret_gets_into_the_evidence() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, body) in PAGES {
        let run = trips(&page(folder.path(), name, body), true, "").await;
        let seen = letters(&run.png());
        assert!(
            seen.contains("VISIBLE"),
            "{name}: the rest of the page is there: {seen}"
        );
        assert_eq!(tells(&seen), None, "{name}: {seen}");
        let mut last = run.last().clone();
        last["screenshot_b64"] = "".into();
        assert_eq!(tells(&last.to_string()), None, "{name}: {last}");
        assert_eq!(tells(&run.errors), None, "{name}: {}", run.errors);
    }
}

#[tokio::test]
async fn without_the_mask_the_same_pictures_would_tell() {
    // The other half of the story above: what is not known to be a secret is shown, and can be read.
    let folder = tempfile::tempdir().expect("a folder");
    for name in [
        "text",
        "open-shadow",
        "closed-shadow",
        "frame",
        "svg",
        "drawn",
        "literal",
        "button",
        "drawing",
        "picture",
        "background",
    ] {
        let (_, body) = PAGES
            .iter()
            .find(|(page, _)| *page == name)
            .expect("a page");
        let run = trips(&page(folder.path(), name, body), false, "").await;
        assert_eq!(tells(&letters(&run.png())), Some("HUNTER"), "{name}");
    }
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_known_by_its_shape() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = page(
        folder.path(),
        "shape",
        "<p>KEY</p><p>bob.builder@mail.example</p>",
    );
    let run = trips(&address, false, "").await;
    let seen = letters(&run.png());
    assert_eq!(tells(&seen), None, "{seen}");
    assert!(!seen.contains("BUILDER"), "{seen}");
    assert!(!run.last()["tree"].to_string().contains("builder"));
}

#[tokio::test]
async fn what_a_flow_marks_as_secret_is_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = page(
        folder.path(),
        "marked",
        "<p class=balance>SECRET</p><p>OPENLY</p>",
    );
    let run = trips(&address, false, "mask = 'css .balance'").await;
    let seen = letters(&run.png());
    assert_eq!(tells(&seen), None, "{seen}");
    assert!(seen.contains("OPENLY"), "{seen}");
}

#[tokio::test]
async fn a_frame_of_another_site_is_masked_inside() {
    let site = RunningSite::start(harness::site::OPENROUTER, &[], None).await;
    let scraper = Scraper::default().with("WORD", "Welcome to OpenRouter");
    // The same machine by two names is two sites.
    let address = format!(
        "{}/framing?{}/",
        site.base.replace("127.0.0.1", "localhost"),
        site.base
    );
    let flow = scraper.flow(&format!(
        "[secrets]\nword = {{ env = \"WORD\" }}\n[[step]]\nname = \"look\"\ndo = [{{ goto = '{address}' }}, \
         {{ wait-for = 'link \"Sign up\"' }}, {{ click = 'button \"Nobody\"' }}]\n",
    ));
    let run = scraper.run(&flow, &[]).await;
    assert_eq!(
        run.ending(),
        "tripwire selector-missing look",
        "{}",
        run.errors
    );
    let seen = letters(&run.png());
    assert!(
        seen.contains("BUILD WITH MODELS") && !seen.contains("WELCOME"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_frame_that_cannot_be_masked_is_not_shown_at_all() {
    let site = RunningSite::start(harness::site::OPENROUTER, &[], None).await;
    let folder = tempfile::tempdir().expect("a folder");
    // What a file shows of the web runs in a process of its own, out of our reach.
    let frame = format!(
        "<iframe width=900 height=300 src='{}/'></iframe>",
        site.base
    );
    let run = trips(&page(folder.path(), "foreign", &frame), false, "").await;
    let seen = letters(&run.png());
    assert!(
        seen.contains("VISIBLE") && !seen.contains("MODELS"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_long_page_is_pictured_whole_when_asked_for_and_never_too_large() {
    let folder = tempfile::tempdir().expect("a folder");
    let noise = "<canvas></canvas><p>line</p>".repeat(2000) + "<p>THEEND</p>";
    let address = page(folder.path(), "long", &noise);
    let scraper = Scraper::default();
    let flow = scraper.flow(&format!(
        "[[step]]\nname = \"look\"\ndo = [{{ goto = '{address}' }}, {{ click = 'button \"Nobody\"' }}]\n"
    ));
    let height = |png: &[u8]| u32::from_be_bytes(png[20..24].try_into().expect("four bytes"));
    let view = scraper.run(&flow, &[]).await.png();
    let whole = scraper.run(&flow, &["--full-page"]).await.png();
    assert!(
        height(&view) < 1000 && height(&whole) >= 6000,
        "{} {}",
        height(&view),
        height(&whole)
    );
    assert!(whole.len() < 4 << 20);
}
