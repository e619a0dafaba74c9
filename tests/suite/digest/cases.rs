//! What must not move the digest of a page, and what must. Each case is one of the pages in `pages/` and the change
//! that somebody else made to it.

/// What a case expects of the changed page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expect {
    /// The same shape.
    Same,
    /// Another shape.
    Other,
    /// Another shape, but the same skeleton: only labels changed.
    OtherLabels,
}

pub struct Case {
    pub name: &'static str,
    pub page: &'static str,
    pub expect: Expect,
    pub change: fn(&str) -> String,
}

const SHOP: &str = include_str!("pages/shop.html");
const DOCKETS: &str = include_str!("pages/dockets.html");
const SIGNUP: &str = include_str!("pages/signup.html");
const CARDS: &str = include_str!("pages/cards.html");

macro_rules! cases {
    ($($name:literal $page:ident $expect:ident $change:expr;)*) => {
        pub const CASES: &[Case] = &[
            $(Case { name: $name, page: $page, expect: Expect::$expect, change: $change }),*
        ];
    };
}

cases! {
    "I01 prices change" SHOP Same |page| put(page, &[("1,049.00", "999.00"), ("$89.50", "$1,289.50")]);
    "I02 numbers and dates in another locale's form" SHOP Same
        |page| put(page, &[("$1,049.00", "1.049,00 €"), ("20 November 2026, 14:05", "20.11.2026 14:05")]);
    "I02 dates in a table, the other way round" DOCKETS Same |page| put(page, &[("11/03/2026", "3. November 2026")]);
    "I03 timestamps move" SHOP Same |page| put(page, &[("20 November 2026, 14:05", "21 November 2026, 09:12"), ("2026-11-20", "2026-11-21")]);
    "I04 ids and classes get other names" SHOP Same |page| put(page, &[("class=\"card\"", "class=\"x7f\""), ("id=\"go\"", "id=\"b1\""), ("class=\"results\"", "class=\"k\"")]);
    "I05 data attributes, styles and nonces change" SHOP Same
        |page| put(page, &[("data-count=\"3\"", "data-count=\"9\" style=\"color:red\" nonce=\"zz\""), ("data-id=", "data-key=")]);
    "I06 another headline and other prose" SHOP Same |page| put(page, &[("Drills for every wall", "Our best drills this winter"), ("Twelve years", "More than <a href=\"/why\">twelve</a> years")]);
    "I06 another heading in an article" DOCKETS Same |page| put(page, &[("About this list", "How to read it")]);
    "I07 session tokens in links change" SHOP Same |page| put(page, &[("sid=aa11", "sid=bb22"), ("session=8f3a77aa01", "session=00c1")]);
    "I08 six items become nine" SHOP Same |page| items(page, |items| [&items[..], &items[..3]].concat());
    "I09 six items become one" SHOP Same |page| items(page, |items| items[..1].to_vec());
    "I09 five rows become one" DOCKETS Same |page| items(page, |items| items[2..3].to_vec());
    "I10 items change places" SHOP Same |page| items(page, |items| items.iter().rev().cloned().collect());
    "I11 wrappers around everything" SHOP Same |page| put(page, &[("<main>", "<div><main><div><div>"), ("</main>", "</div></div></main></div>")]);
    "I11 wrappers around parts" SHOP Same |page| put(page, &[
        ("<ul class=\"results\">", "<div class=\"w\"><ul class=\"results\">"), ("</ul>", "</ul></div>"),
        ("<h3>Bosch Uneo</h3>", "<div><div><h3>Bosch Uneo</h3></div></div>"),
        ("<button class=\"cart\"", "<span><button class=\"cart\""), ("Cart (3)</button>", "Cart (3)</button></span>"),
    ]);
    "I11 wrappers in a form" SIGNUP Same |page| put(page, &[
        ("<form action=\"/signup\" method=\"post\">", "<section><form action=\"/signup\" method=\"post\"><div>"), ("</form>", "</div></form></section>"),
        ("<button type=\"submit\"", "<div class=\"row\"><button type=\"submit\""), ("Sign up</button>", "Sign up</button></div>"),
    ]);
    "I12 an ad frame goes, another comes elsewhere" SHOP Same |page| put(page, &[
        ("<div class=\"ad-slot\" id=\"ad-top\"><iframe src=\"about:blank\" title=\"Advertisement\" width=\"300\" height=\"100\"></iframe></div>", ""),
        ("<aside aria-label=\"Help\">", "<div class=\"sponsor-box\"><h4>Buy this</h4><a href=\"/x\">Now</a><button>Learn more</button></div><aside aria-label=\"Help\"><iframe src=\"about:blank\"></iframe>"),
    ]);
    "I13 an ad among the items" SHOP Same |page| items(page, |items| {
        let ad = "<li class=\"card\"><span>Sponsored</span><h2>Best insurance</h2><p>Really</p><a href=\"/x\">Get a quote</a><button>Go</button></li>";
        [&items[..2], &[ad.to_owned()], &items[2..]].concat()
    });
    "I14 consent is given" SHOP Same |page| cut(page, "<div id=\"cookie-banner\"", "</div>");
    "I14 consent is asked for in a dialog that makes the page inert" SHOP Same |page| put(&cut(page, "<div id=\"cookie-banner\"", "</div>"), &[
        ("</body>", "<dialog id=\"cc\" aria-label=\"Cookie consent\"><p>We use cookies.</p><button>Accept all</button></dialog><script>cc.showModal()</script></body>"),
    ]);
    "I14 consent makes everything beside it inert" SHOP Same |page| put(page, &[
        ("<header id=\"top\">", "<header id=\"top\" inert>"), ("<main>", "<main inert>"), ("<aside ", "<aside inert "), ("<footer>", "<footer inert>"),
    ]);
    "I14 consent hides the page from those who listen" SIGNUP Same |page| put(page, &[
        ("<header>", "<div id=\"app\" aria-hidden=\"true\"><header>"),
        ("</footer>", "</footer></div><div role=\"dialog\" aria-modal=\"true\" aria-label=\"Cookies\"><p>We use cookies</p><button>Accept all</button></div>"),
    ]);
    "I14 consent hides the page from everybody" SIGNUP Same |page| put(page, &[
        ("<header>", "<div id=\"app\" aria-hidden=\"true\" inert><header>"),
        ("</footer>", "</footer></div><div role=\"dialog\" aria-modal=\"true\" aria-label=\"Cookies\"><p>We use cookies</p><button>Accept all</button></div>"),
    ]);
    "I08 six cards become nine" CARDS Same |page| items(page, |items| [&items[..], &items[..3]].concat());
    "I09 six cards become one" CARDS Same |page| items(page, |items| items[..1].to_vec());
    "I09 six cards become two" CARDS Same |page| items(page, |items| items[..2].to_vec());
    "I10 cards change places" CARDS Same |page| items(page, |items| items.iter().rev().cloned().collect());
    "I11 wrappers around cards" CARDS Same |page| put(page, &[("<div class=\"grid\">", "<section><div><div class=\"grid\">"), ("<!-- end --></div>", "<!-- end --></div></div></section>")]);
    "I15 two of six items get a badge" SHOP Same |page| put(page, &[
        ("<h3>Ryobi R18</h3>", "<img src=\"b.png\" alt=\"Bestseller\"><h3>Ryobi R18</h3>"),
        ("<h3>Metabo SB 18</h3>", "<a href=\"/sale\">Sale</a><h3>Metabo SB 18</h3>"),
    ]);
    "I16 other alternative texts, icons for decoration" SHOP Same |page| put(page, &[
        ("alt=\"Bosch drill, green\"", "alt=\"A drill\""),
        ("<button type=\"submit\" id=\"go\">", "<button type=\"submit\" id=\"go\"><svg width=\"9\" height=\"9\" aria-hidden=\"true\"><circle r=\"4\"/></svg><img src=\"i.png\" alt=\"\">"),
        ("<h1>", "<svg width=\"9\" height=\"9\"><circle r=\"4\"/></svg><h1>"),
    ]);
    "I17 counters in labels" SHOP Same |page| put(page, &[("Cart (3)", "Cart (1,204)"), ("Bosch (12)", "Bosch (9)")]);
    "I18 a toast" SHOP Same |page| put(page, &[("<div role=\"status\" aria-live=\"polite\"></div>", "<div role=\"status\" aria-live=\"polite\">Saved. <button>Undo</button></div>")]);
    "I18 a toast of another make" SIGNUP Same |page| put(page, &[("<footer>", "<div class=\"Toastify__toast\" role=\"alert\">Saved <button>Close</button></div><footer>")]);
    "I19 white space, zero-width characters, comments" SHOP Same |page| put(page, &[
        ("<button type=\"submit\" id=\"go\">Search</button>", "<button type=\"submit\" id=\"go\">\n\n  Sea\u{200b}rch&shy;&nbsp;\n</button><!-- x -->"),
        ("Sort by", "  Sort\n&nbsp; by"),
    ]);
    "I20 checked, selected, typed" SHOP Same |page| put(page, &[
        ("value=\"bosch\"", "value=\"bosch\" checked"), ("<option selected>Relevance</option><option>Price", "<option>Relevance</option><option selected>Price"),
        ("aria-label=\"Search\"", "aria-label=\"Search\" value=\"hammer\""),
    ]);
    "I20 other options" SHOP Same |page| put(page, &[("<option>Newest</option>", "<option>Newest</option><option>Rating</option>")]);
    "I20 another tab is selected" DOCKETS Same |page| put(page, &[("\"true\">Open", "\"false\">Open"), ("\"false\">Closed", "\"true\">Closed")]);
    "I21 rows come and go" DOCKETS Same |page| items(page, |items| [&items[1..], &items[..], &items[..]].concat());
    "I22 more paragraphs and inline markup" DOCKETS Same |page| put(page, &[("<p>Names are as filed.</p>", "<p>Names <b>are</b> as <em>filed</em>.</p><p>And <code>more</code>.</p><p>And more.</p>")]);
    "I22 more paragraphs below the headline" SIGNUP Same |page| put(page, &[("<p>It takes", "<p>Welcome.</p><p>It <mark>really</mark> takes")]);

    "S01 the search box is gone" SHOP Other |page| cut(page, "<form role=\"search\"", "</form>");
    "S02 the submit button is gone" SIGNUP Other |page| cut(page, "<button type=\"submit\"", "</button>");
    "S03 a button is called otherwise" SIGNUP OtherLabels |page| put(page, &[("Sign up", "Continue")]);
    "S04 a field is called otherwise" SIGNUP OtherLabels |page| put(page, &[(">Email<", ">Work email<")]);
    "S05 a heading of another level" DOCKETS Other |page| put(page, &[("<h1>Open dockets</h1>", "<h2>Open dockets</h2>")]);
    "S06 the list becomes a table" SHOP Other |page| put(page, &[("<ul class=\"results\">", "<table><tbody>"), ("</ul>", "</tbody></table>"), ("<li class=\"card\"", "<tr><td"), ("</li>", "</td></tr>")]);
    "S07 the list is empty" SHOP Other |page| items(page, |_| Vec::new());
    "S07 the table is empty" DOCKETS Other |page| items(page, |_| Vec::new());
    "S08 no pagination any more" SHOP Other |page| cut(page, "<nav aria-label=\"Pagination\"", "</nav>");
    "S09 one more column" DOCKETS Other |page| put(page, &[("<th>Filed</th>", "<th>Filed</th><th>Judge</th>"), ("2026</td></tr>", "2026</td><td>Lee</td></tr>")]);
    "S10 a column is called otherwise" DOCKETS OtherLabels |page| put(page, &[("<th>Filed", "<th>Received")]);
    "S11 columns change places" DOCKETS Other |page| put(page, &[("<th>Party</th><th>Filed</th>", "<th>Filed</th><th>Party</th>")]);
    "S12 a button becomes a link" SIGNUP Other |page| put(page, &[("<button type=\"submit\" data-nonce=\"77\">Sign up</button>", "<a href=\"#\">Sign up</a>")]);
    "S13 a login wall" SHOP Other |page| main(page, "<h1>Log in to go on</h1><form><label>Email <input type=\"email\"></label><label>Password <input type=\"password\"></label><button>Log in</button></form>");
    "S14 a challenge" SHOP Other |page| main(page, "<h1>One moment</h1><iframe src=\"about:blank#turnstile\" title=\"Security check\"></iframe>");
    "S15 an error page" SHOP Other |page| main(page, "<h1>Something went wrong</h1><p>Try again later.</p>");
    "S16 a newsletter dialog" SHOP Other |page| put(page, &[("<footer>", "<div role=\"dialog\" aria-label=\"Newsletter\"><h2>Stay in touch</h2><label>Email <input type=\"email\"></label><button>Subscribe</button><button>No, thanks</button></div><footer>")]);
    "S17 the results move to another landmark" SHOP Other |page| {
        let list = between(page, "<ul class=\"results\">", "</ul>");
        put(&cut(page, "<ul class=\"results\">", "</ul>"), &[("<p>Call us.</p>", &list)])
    };
    "S18 a text field becomes a choice" SIGNUP Other |page| put(page, &[("<input id=\"mail\" type=\"email\" name=\"email\">", "<select id=\"mail\"><option>a@example.org</option></select>")]);
    "S19 every item loses its button" SHOP Other |page| put(page, &[("<button>Add to cart</button>", "")]);
    "S19b every item loses its price" SHOP Other |page| {
        let prices = ["$1,049.00", "$89.50", "$219.00", "$129.00", "$99.95", "$59.00"];
        put(page, &prices.map(|price| (price, ""))).replace("<em class=\"badge\">New</em>", "")
    };
    "S07 no card is left" CARDS Other |page| items(page, |_| Vec::new());
    "S19 every card loses its button" CARDS Other |page| cut_each(page, "<button>", "</button>");
    "S19 the only card loses its button" CARDS Other |page| cut_each(&items(page, |items| items[..1].to_vec()), "<button>", "</button>");
    "S19b every card loses its price" CARDS Other |page| cut_each(page, "<span class=\"price\">", "</span>");
    "S20 the submit button is disabled" SIGNUP Other |page| put(page, &[("<button type=\"submit\"", "<button disabled type=\"submit\"")]);
    "S21 one more field" SIGNUP OtherLabels |page| put(page, &[("<div><label for=\"pw\">", "<div><label for=\"org\">Company</label> <input id=\"org\"></div><div><label for=\"pw\">")]);
    "S22 fields change places" SIGNUP OtherLabels |page| {
        let (mail, password) = (between(page, "<div><label for=\"mail\"", "</div>"), between(page, "<div><label for=\"pw\"", "</div>"));
        put(page, &[(&mail, "@"), (&password, &mail), ("@", &password)])
    };
    "S23 one more tab" DOCKETS OtherLabels |page| put(page, &[("Closed</button>", "Closed</button><button role=\"tab\">Sealed</button>")]);
    "S24 a paywall" DOCKETS Other |page| main(page, "<h1>Open dockets</h1><p>It is renewed each morning …</p><section aria-label=\"Subscribe\"><h2>Go on reading</h2><button>Subscribe</button><a href=\"/login\">Log in</a></section>");
    "S25 no main any more" SIGNUP Other |page| put(page, &[("<main>", "<div>"), ("</main>", "</div>")]);
}

/// Every occurrence of each; one that is not there is a mistake in the case.
fn put(page: &str, edits: &[(&str, &str)]) -> String {
    let mut page = page.to_owned();
    for (find, replace) in edits {
        assert!(page.contains(find), "no {find:?} to replace");
        page = page.replace(find, replace);
    }
    page
}

/// From the first `start` to the `end` behind it, both included.
fn between(page: &str, start: &str, end: &str) -> String {
    let from = page.find(start).unwrap_or_else(|| panic!("no {start:?}"));
    let length = page[from..].find(end).unwrap() + end.len();
    page[from..from + length].to_owned()
}

fn cut(page: &str, start: &str, end: &str) -> String {
    page.replacen(&between(page, start, end), "", 1)
}

fn cut_each(page: &str, start: &str, end: &str) -> String {
    let mut page = page.to_owned();
    while page.contains(start) {
        page = cut(&page, start, end);
    }
    page
}

fn main(page: &str, content: &str) -> String {
    page.replacen(
        &between(page, "<main>", "</main>"),
        &format!("<main>{content}</main>"),
        1,
    )
}

fn items(page: &str, change: impl Fn(Vec<String>) -> Vec<String>) -> String {
    let all = between(page, "<!-- items -->", "<!-- end -->");
    let inner = &all["<!-- items -->".len()..all.len() - "<!-- end -->".len()];
    let items = inner
        .split("<!-- item -->")
        .skip(1)
        .map(str::to_owned)
        .collect();
    page.replacen(&all, &change(items).concat(), 1)
}
