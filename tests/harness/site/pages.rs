//! The pages that people see.

use std::time::Duration;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::{Site, Switch};

pub const BOT_WALL: &str = "<!doctype html><title>Just a moment...</title><h1>Just a moment...</h1>\
    <p>Enable JavaScript and cookies to continue</p>";

/// What lies over the form lies over all of the page, as a card in its middle.
const STYLE: &str = "body{font-family:sans-serif;margin:0;color:#202123;background:#f7f7f8;line-height:1.5}\
    header,footer{padding:1rem 2rem;background:#fff}header{border-bottom:1px solid #e3e3e8;font-weight:700}\
    main{max-width:26rem;margin:2.5rem auto;padding:.5rem 2.5rem 2rem;background:#fff;border:1px solid #e3e3e8;border-radius:12px}\
    a{color:#0b6e4f}label{display:block;margin:1rem 0}button{padding:.6rem 1.2rem;border:0;border-radius:6px;background:#0b6e4f;color:#fff}\
    input{display:block;width:100%;box-sizing:border-box;padding:.6rem;border:1px solid #c5c5d2;border-radius:6px;font-size:1rem}\
    .over{position:fixed;inset:0;background:#0009;display:grid;place-content:center;justify-items:start;gap:.6rem;z-index:9}\
    .over::before{content:'';position:absolute;inset:calc(50% - 8rem) calc(50% - 14rem);background:#fff;border-radius:12px}\
    .over>*{position:relative;margin:0}";

fn page(site: &Site, title: &str, body: &str) -> HttpResponse {
    let name = site.layout.name;
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title} - {name}</title>\
         <style>{STYLE}</style><header><a href=/>{name}</a></header>{body}\
         <footer><a href=/terms>Terms</a> <a href=/privacy>Privacy</a></footer></html>"
    );
    HttpResponse::Ok()
        .insert_header(header::ContentType::html())
        .body(html)
}

fn go(to: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, to))
        .finish()
}

fn cookie(name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish()
}

/// The address of the account that is signed in.
pub(super) fn who(site: &Site, request: &HttpRequest) -> Option<String> {
    let session = request.cookie("session")?;
    site.state().sessions.get(session.value()).cloned()
}

pub async fn landing(site: Data<Site>) -> HttpResponse {
    let body = format!(
        "<main><h1>Welcome to {}</h1><p>Build with models.</p><a href={}>Sign up</a></main>",
        site.layout.name, site.layout.signup
    );
    page(&site, "Home", &body)
}

pub async fn welcome(site: Data<Site>) -> HttpResponse {
    let body =
        "<main><h1>Something new is coming</h1><p>Sign-ups are now by invitation.</p></main>";
    page(&site, "Welcome", body)
}

pub async fn signup(site: Data<Site>, request: HttpRequest) -> HttpResponse {
    if site.is(Switch::Redirect) {
        return go("/welcome");
    }
    if site.is(Switch::RedirectLoop) {
        return go("/loop/0");
    }
    if site.is(Switch::Slow) {
        return never().await;
    }
    if site.is(Switch::RateLimit) {
        let body = "<!doctype html><h1>Too many requests</h1>";
        return HttpResponse::TooManyRequests()
            .insert_header(header::ContentType::html())
            .body(body);
    }
    if site.is(Switch::Download) {
        return HttpResponse::Ok()
            .insert_header((
                header::CONTENT_DISPOSITION,
                "attachment; filename=signup.bin",
            ))
            .body("bytes");
    }
    if site.is(Switch::Huge) {
        let row = "<p>filler filler filler filler filler filler filler filler</p>\n";
        let body = row.repeat((50 << 20) / row.len());
        return page(&site, "Sign up", &body);
    }
    if site.is(Switch::Captcha) {
        let body = "<main><h1>One more step</h1><iframe src=/challenge/captcha width=300 height=80></iframe></main>";
        return page(&site, "Sign up", body);
    }
    let variant_b = site.is(Switch::VariantB);
    let (mail, password, button) = match (site.is(Switch::Renamed), variant_b) {
        (true, _) => (
            "<label>Handle <input name=h autocomplete=off></label>",
            "<label>Key phrase <input name=k autocomplete=off></label>",
            "<div role=button tabindex=0>Let's go</div>",
        ),
        (_, false) => (
            "<label>Email address <input name=email type=email></label>",
            "<label>Password <input name=password type=password></label>",
            "<button>Continue</button>",
        ),
        (_, true) => (
            "<input name=email type=email placeholder='you@work.example' aria-label='Work e-mail'>",
            "<input name=password type=password aria-label='Choose a password'>",
            "<button type=submit>Create account</button>",
        ),
    };
    let error = request.query_string().contains("taken");
    let error = if error {
        "<p role=alert>An account with this email already exists.</p>"
    } else {
        ""
    };
    let hidden = if variant_b { "hidden" } else { "" };
    let mut body = format!(
        "<main><h1>Create your account</h1>{error}\
         <form method=post action={} id=f {hidden}>{mail}{password}{button}</form>\
         <p>Already have an account? <a href=/login>Log in</a></p></main>",
        site.layout.signup
    );
    if variant_b {
        body += "<button type=button onclick=\"f.hidden=false;this.remove()\">Continue with email</button>\
            <button type=button>Continue with Google</button>";
    }
    for (switch, more) in [
        (
            Switch::Tos,
            "<div class=over><h2>We have updated our terms</h2><p>Read them and go on.</p><button>Accept new ToS</button></div>",
        ),
        (
            Switch::CookieBanner,
            "<div class=over id=cookies><p>We value your privacy.</p><button onclick='cookies.remove()'>Reject all</button></div>",
        ),
        (
            Switch::Alert,
            "<script>alert('We have news for you')</script>",
        ),
        (
            Switch::Popup,
            "<script>addEventListener('click', () => open('/welcome'), {once: true}); open('/welcome')</script>",
        ),
        (
            Switch::SelfNav,
            "<script>location.replace('?' + Math.random())</script>",
        ),
        (Switch::StuckFrame, "<iframe src=/never></iframe>"),
        (
            Switch::Hang,
            "<script>setTimeout(() => { for (;;); })</script>",
        ),
    ] {
        if site.is(switch) {
            body += more;
        }
    }
    page(&site, "Sign up", &body)
}

#[derive(Deserialize)]
pub struct Signup {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

pub async fn sign_up(site: Data<Site>, form: Form<Signup>) -> HttpResponse {
    if site.is(Switch::AccountExists) {
        return go(&format!("{}?taken", site.layout.signup));
    }
    if form.email.is_empty() || form.password.len() < 8 {
        return go(site.layout.signup);
    }
    site.sign_up(&form.email);
    let mut answer = go(site.layout.verify);
    let pending = cookie("pending", form.email.clone());
    if answer.add_cookie(&pending).is_err() {
        return HttpResponse::InternalServerError().finish();
    }
    answer
}

pub async fn verify(site: Data<Site>, request: HttpRequest) -> HttpResponse {
    let Some(address) = request.cookie("pending") else {
        return go(site.layout.signup);
    };
    let error = if request.query_string().contains("wrong") {
        "<p role=alert>Invalid code. Check it and try again.</p>"
    } else {
        ""
    };
    let body = format!(
        "<main><h1>Check your inbox</h1><p>We sent a code to <b>{}</b>.</p>{error}\
         <form method=post action={}><label>Code <input name=code inputmode=numeric autocomplete=one-time-code></label>\
         <button>Continue</button></form></main>",
        address.value(),
        site.layout.verify
    );
    page(&site, "Verify your email", &body)
}

#[derive(Deserialize)]
pub struct Confirmation {
    code: String,
}

pub async fn confirm(
    site: Data<Site>,
    request: HttpRequest,
    form: Form<Confirmation>,
) -> HttpResponse {
    let address = request
        .cookie("pending")
        .map(|cookie| cookie.value().to_owned());
    let wrong = site.is(Switch::WrongOtp);
    let session = address.and_then(|address| {
        let mut state = site.state();
        let account = state.accounts.get_mut(&address)?;
        if wrong || account.code != form.code {
            return None;
        }
        account.confirmed = true;
        let session = uuid::Uuid::new_v4().simple().to_string();
        state.sessions.insert(session.clone(), address);
        Some(session)
    });
    let Some(session) = session else {
        return go(&format!("{}?wrong", site.layout.verify));
    };
    let mut answer = go(site.layout.keys);
    if answer.add_cookie(&cookie("session", session)).is_err() {
        return HttpResponse::InternalServerError().finish();
    }
    answer
}

pub async fn keys(site: Data<Site>, request: HttpRequest) -> HttpResponse {
    let Some(owner) = who(&site, &request) else {
        return go(site.layout.signup);
    };
    let layout = site.layout;
    let rows: String = site
        .state()
        .keys
        .iter()
        .filter(|key| key.owner == owner)
        .map(|key| {
            format!(
                "<tr><td>{}<td>{}…{}<td><button onclick=\"ask('{}')\">Revoke</button>",
                key.name,
                &key.secret[..8],
                &key.secret[key.secret.len() - 4..],
                key.id
            )
        })
        .collect();
    let example = format!("{}FAKE", layout.key_prefix);
    let decoy = if site.is(Switch::Decoy) || site.is(Switch::DecoyOnly) {
        format!("<p>Use it like this: <code>Authorization: Bearer {example}</code></p>")
    } else {
        String::new()
    };
    let shown = if site.is(Switch::DecoyOnly) {
        format!("'{example}'")
    } else {
        "(await (await fetch('/api/keys', {method: 'POST', body: JSON.stringify({name: n.value})})).json()).key"
            .to_owned()
    };
    let secret = if layout.key_in_field {
        "<label>Your key <input readonly id=k></label>"
    } else {
        "<p>Your new key:</p><code id=k></code>"
    };
    let body = format!(
        "<main><h1>API keys</h1><p>Signed in as {owner}</p>{decoy}\
         <p role=status id=s></p><table><thead><tr><th>Name<th>Key<th>Actions<tbody>{rows}</table>\
         <button onclick='d.showModal()'>{}</button></main>\
         <dialog id=d aria-label='New key'><div id=one><label>Name <input id=n placeholder='My test key'></label>\
         <button onclick='create()'>{}</button></div><div id=two hidden>{secret}</div></dialog>\
         <dialog id=r aria-label='Revoke key'><p>Nothing that uses it will work any more.</p>\
         <button onclick='revoke()'>Revoke key</button></dialog>\
         <script>let id; const ask = i => {{ id = i; r.showModal(); }};\
         async function create() {{ const key = {shown}; k.value = key; if (k.tagName === 'CODE') k.textContent = key;\
           one.hidden = true; two.hidden = false; }}\
         async function revoke() {{ await fetch('/api/keys/' + id, {{method: 'DELETE'}}); r.close(); s.textContent = 'Key revoked'; }}\
         </script>",
        layout.new_key, layout.create_key
    );
    page(&site, "API keys", &body)
}

pub async fn account(site: Data<Site>, request: HttpRequest) -> HttpResponse {
    let Some(owner) = who(&site, &request) else {
        return go(site.layout.signup);
    };
    let body = format!(
        "<main><h1>Account</h1><p>{owner}</p><button onclick='d.showModal()'>Delete account</button></main>\
         <dialog id=d aria-label='Delete account'><label>Type your email <input></label>\
         <button onclick='gone()'>Delete account</button></dialog>\
         <script>async function gone() {{ await fetch('/api/account', {{method: 'DELETE'}});\
         document.body.innerHTML = '<main><h1>Account deleted</h1></main>'; }}</script>"
    );
    page(&site, "Account", &body)
}

pub async fn captcha_frame(site: Data<Site>) -> HttpResponse {
    page(
        &site,
        "Challenge",
        "<label><input type=checkbox> I am human</label>",
    )
}

/// A page that shows another one in a frame: `/framing?http://…`.
pub async fn framing(site: Data<Site>, request: HttpRequest) -> HttpResponse {
    let body = format!(
        "<main><h1>VISIBLE</h1><iframe width=900 height=300 src='{}'></iframe></main>",
        request.query_string()
    );
    page(&site, "Frame", &body)
}

/// An answer that does not come, at least not as long as anybody waits.
pub async fn never() -> HttpResponse {
    tokio::time::sleep(Duration::from_secs(600)).await;
    HttpResponse::NoContent().finish()
}

pub async fn endless_redirect(number: Path<u64>) -> HttpResponse {
    go(&format!("/loop/{}", number.into_inner() + 1))
}
