//! Two tables, honest values and leaks, and the properties behind them. Secrets are made here, from noise, so that
//! no scanner of repositories takes one for real.

use proptest::prelude::*;

use super::*;

#[rustfmt::skip]
const HONEST: &[&str] = &[
    // Services.
    "openai", "anthropic", "github", "hugging-face", "mistral-ai", "google-cloud", "aws", "s3", "1password", "7digital",
    "163-com", "web2print", "n26", "c24-bank", "o2-online", "3m", "booking-com", "deutsche-bahn", "drift-tracker",
    "drift-scraper-authentication", "npm", "pypi", "hf", "sk-telecom", "sg-airlines", "a", "0", "360-secure-browser",
    // Steps.
    "signup-form", "otp-code-6-digits", "step-12", "accept-tos-2026-11", "accept-tos-2026-11-21", "oauth2:callback",
    "checkout.v2.payment-method", "verify-phone-number", "i18n-l10n-a11y", "sk-form", "hf-login", "pk-checkout-button",
    "npm_install_dependencies", "sk-authentication-required", "sk-internationalization", "token-verification-required",
    "password-confirmation", "secret-questionnaire", "key-management-service", "bearer-authentication", "api-key-created",
    "apikey-administration-page", "asia-pacific-region", "asiapacificregionselector", "asia-telecommunications",
    "login_step_2_of_3", "step2form3", "step:1:2:3", "steps-1-2-3-4", "1-2-3", "page-1-of-10", "retry-3-500", "error-404",
    "viewport-1920-1080", "viewport-768x1024", "1920x1080", "1920x1080x24", "items-1000-2000", "room-101-1984",
    "three-dot-menu", "click-at-three-dot-menu", "look-at-sign-in", "stop-at-step-2", "arrive-at-checkout-de",
    "look-at-the-org-chart", "look-at-the-net-price", "created_at", "updated_at.sort-descending", "at-least-one-dot-left",
    "at", "at-", "dot-com", "look.at.it", "sign-up-with-e-mail-address", "e-mail-confirmation-link", "mailto-link",
    "antidisestablishmentarianism", "internationalization", "floccinaucinihilipilification", "rhythm-and-syzygy",
    "continuewithgoogleaccountbutton", "counterrevolutionaryinterdepartmental", "rechtschreibpruefung-aktivieren",
    "donaudampfschifffahrtsgesellschaftskapitaen", "passwort-zuruecksetzen", "potwierdzenie-adresu", "przelewy24",
    "developpement-anticonstitutionnellement", "desoxyribonukleinsaeure", "b2b-e2e-c2c", "e2e-b2b-c2c-d2c", "face-feed-dead-beef",
    "sha256-checksum", "base64encoded", "md5checksum", "oauth2callback", "utf8mb4-collation", "h264-x265-av1", "ipv4-ipv6",
    "2fa-u2f-webauthn", "fido2-passkey", "otp6digits", "area51store2go", "http2-server-push", "es2015modules", "x509-certificate",
    "2026-11-21t10:30:00z", "2026-11-21-10-30-00", "2026-11-21-10-30-00-123", "20261121t103000z", "20261121-103000",
    "backup-20261121103000", "week-2026-w47", "run-001-2026-11-21", "quarter-2026-q4", "2025-2026", "case-001-02", "step-0042", "rustsec_2024_0363", "cve-2026-12345",
    "price-9.99-eur", "section-1.2.3.4", "list-12-10-8-6", "diff-3f9a8b7-1c2d3e4", "commit-3f9a8b7c6d", "c3-p0", "z", "00",
    "checkout:guest:address:billing-and-shipping:confirm", "very-long-step-name-which-explains-itself-in-one-sentence-of-words",
    // Hosts.
    "platform.openai.com", "console.anthropic.com", "localhost", "eu-central-1.console.aws.amazon.com", "s3-us-west-2.amazonaws.com",
    "xn--bcher-kva.example", "xn--80akhbyknj4f.xn--p1ai", "xn--vermgensberatung-pwb.xn--mgberp4a5d4ar", "www.xn--80aaxitdbjk.example",
    "d111111abcdef8.cloudfront.net", "web2.bank24.example", "login.microsoftonline.com", "accounts.google.com", "mail.google.com",
    "www.amazon.at", "shop.orf.at", "at.linkedin.com", "163.com", "12306.cn", "58.com", "1-800-flowers.com", "1und1.de", "17track.net",
    "500px.com", "123-reg.co.uk", "t-online.de", "a.b.c.d.e.f.g.example", "ec2.eu-west-1.amazonaws.com", "ip-10-0-0-1.internal.example",
    "llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch.co.uk", "sg.shop.example", "hf.co", "web-prod-03.k8s.example",
    "sparkasse-koelnbonn.de", "kleinanzeigen.de", "wordpress.org", "stackoverflow.com", "the-quick-brown-fox-jumps.example",
    // Versions.
    "1.4.2", "0.0.1", "2026.11.21", "2026.11.21-1234", "2026.1121.1030", "1.4.2-beta.3", "1.2.3-rc.4+build.56", "1.0.0+20261121",
    "1.4.2+g3f9a8b7", "1.4.2+3f9a8b7", "1.4.2+3f9a8b7c6d5e", "1.4.2-3-g3f9a8b7c", "1.4.2+1234567", "1.4.2+12345678", "1.4.2+1234567a",
    "1.4.2-3-g1234567", "1.4.2+g123456789012", "0.0.0-20261121103000-3f9a8b7c6d5e", "1.0.0+20261121.1030.3f9a8b7", "10.0.19045",
    "1.0.0+20261121.3f9a8b7.dirty", "4.18.0-553.16.1", "120.0.6099", "1.2.3-4.5.6", "1.0.0-alpha.beta.1+exp.sha.5114f85", "1.0.0-SNAPSHOT",
    "1.0.0-x86-64-unknown-linux-gnu", "9.99.999", "1.0.0+2026-11-21t10-30-00", "12.34.567-100-g3f9a8b7",
];

const DIGITS: &[u8] = b"0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const MIXED: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The same noise at every run.
fn noise(alphabet: &[u8], length: usize) -> String {
    let mut state = length as u64 + alphabet.len() as u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(alphabet[(state >> 33) as usize % alphabet.len()])
    };
    (0..length).map(|_| next()).collect()
}

fn leaks() -> Vec<String> {
    #[rustfmt::skip]
    let plain = [
        // Mail addresses.
        "someone@example.com", "@handle", "a@b", "user:someone@host", "someone%40example.com", "someone%2540example.com",
        "name-at-example-dot-com", "john-at-gmail-com", "john.doe.at.example.com", "john_at_example.org", "john-doe-at-example-net",
        "max-at-gmx-de", "jean.dupont-at-orange-fr", "invite-jane-at-example-dot-co-dot-uk", "jane-at-mail-dot-example-dot-org",
        "john-dot-doe-at-example-dot-de", "login:jane.at.example.de", "JOHN-AT-EXAMPLE-DOT-COM", "john-at-sub-domain-example-com",
        "anna.at.uni.edu", "otp-sent-to-jane-at-example.test", "max-at-firma.ch", "jane-at-company-com-step-2",
        // Phone numbers.
        "call-4915112345678", "call-49-151-1234567", "0170-1234567", "0170.12.34.56.7", "030_901820", "phone:1:800:555:1234",
        "1-800-555-0199", "call-555-867-5309", "call-555-0100", "06-12-34-56-78", "06.12.34.56.78", "22-34-56-78", "0049-170-1234567",
        "tel-00491701234567", "+1 (555) 867-5309", "sms-612-345-678", "5-5-5-8-6-7-5-3-0-9", "tel0170x1234567y", "2079460958",
        "verify-phone-020-7946-0958", "0170--1234--567", "1.0.0+4915112345678", "555.123.4567", "1.0.0-0170.1234567", "8613912345678",
        // Cards, accounts, ids.
        "4111-1111-1111-1111", "4111111111111111", "card:4111:1111:1111:1111", "378282-246310-005", "123-45-6789",
        "de89370400440532013000", "de89-3704-0044-0532-0130-00", "gb29nwbk60161331926819", "gb29-nwbk-6016-1331-9268-19",
        "nl91abna0417164300", "user-1048576", "order-20269921", "order-1700000000", "account:1234567", "123456789012.signin.example.com",
        "born-19840517", "invoice-202613011030", "uid1234567", "1.0.1234567", "tenant-00000042",
        // Addresses of machines.
        "step-192.168.0.1", "192-168-0-100", "10.0.0.1", "ec2-54-12-34-56.compute.example", "1.0.0-192.168.0.1", "from:203.0.113.7",
        "8.8.4.14", "56.34.12.54.in-addr.arpa", "00:1a:2b:3c:4d:5e", "00-1a-2b-3c-4d-5e", "00.00.5e.00.53.01", "mac-AA-BB-CC-01-02-03",
        "2001:db8:85a3:0:0:8a2e:370:7334", "fe80::1ff:fe23:4567:890a", "2a02-8071-0b88-1f00-0-0-0-1",
        // UUIDs and other hexadecimal ids.
        "550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000", "550e8400e29b41d4a716446655440000",
        "session.550e8400.e29b.41d4.a716.446655440000", "user550e8400-e29b-41d4-a716-446655440000x", "550e8400_e29b_41d4_a716_446655440000",
        "00000000-0000-0000-0000-000000000000", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa1", "a1b2-c3d4-e5f6", "1.0.0+550e8400-e29b-41d4-a716",
        "507f1f77bcf86cd799439011", "trace-4bf92f3577b34da6", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", "user507f1f77bcf86cd799439011end",
    ];
    let mut leaks: Vec<String> = plain.iter().map(ToString::to_string).collect();
    // Keys: the prefix, what they are made of, and how long they are at least.
    #[rustfmt::skip]
    let keys: &[(&str, &[u8], usize)] = &[
        ("sk-", MIXED, 48), ("sk-or-v1-", HEX, 64), ("sk-ant-api03-", MIXED, 93), ("sk-proj-", MIXED, 48), ("ghp_", MIXED, 36),
        ("gho_", MIXED, 36), ("ghu_", MIXED, 36), ("ghs_", MIXED, 36), ("ghr_", MIXED, 36), ("github_pat_", MIXED, 22), ("AKIA", LOWER, 16),
        ("ASIA", LOWER, 16), ("xoxa-", MIXED, 24), ("xoxb-", MIXED, 24), ("xoxp-", MIXED, 24), ("xoxr-", MIXED, 24), ("xoxs-", MIXED, 24),
        ("xapp-1-", MIXED, 24), ("AIza", MIXED, 35), ("glpat-", MIXED, 20), ("hf_", MIXED, 34), ("npm_", MIXED, 36), ("pypi-", MIXED, 60),
        ("ya29.", MIXED, 60), ("eyJ", MIXED, 30), ("rk_live_", MIXED, 24), ("sk_live_", MIXED, 24), ("pk_live_", MIXED, 24), ("sk_test_", MIXED, 24),
        ("whsec_", MIXED, 32), ("SG.", MIXED, 22), ("dop_v1_", HEX, 64), ("drift_", MIXED, 32), ("drift_ingest_", MIXED, 32), ("shpat_", HEX, 32),
        ("key-", HEX, 32), ("token-", LOWER, 12), ("bearer:", MIXED, 20), ("secret-", LOWER, 14), ("password-", LOWER, 12), ("apikey:", LOWER, 20),
    ];
    for (prefix, alphabet, length) in keys {
        let key = format!("{prefix}{}", noise(alphabet, *length));
        let service = key.to_ascii_lowercase().replace(['_', '.', ':'], "-");
        leaks.extend([
            format!("step:{key}"),
            format!("1.0.0+{key}"),
            key.to_ascii_uppercase(),
            service,
            key,
        ]);
    }
    // Keys of the kind that people write into tests.
    leaks.extend(
        ["sk-", "ghp_", "hf_", "xoxb-", "npm_"].map(|prefix| format!("{prefix}{}", "a".repeat(36))),
    );
    leaks.extend(
        ["sk-", "pypi-", "glpat-"].map(|prefix| format!("{prefix}{}", "a1b2c3d4".repeat(3))),
    );
    leaks.push(["AKIA", "IOSFODNN", "7EXAMPLE"].concat());
    leaks.push(format!(
        "{}.{}.{}",
        ["eyJ", "hbGciOi", "JIUzI1NiJ9"].concat(),
        noise(MIXED, 40),
        noise(MIXED, 43)
    ));
    // Without a prefix.
    for length in [20, 24, 27, 32, 43, 64] {
        leaks.extend([
            noise(MIXED, length),
            noise(LOWER, length),
            format!("reset-{}", noise(LOWER, length)),
        ]);
        leaks.extend([
            format!("signup{}", noise(LOWER, length)),
            format!("{}.example.com", noise(LOWER, length)),
        ]);
    }
    leaks.extend([12, 16, 20, 30].map(|length| format!("id-{}", noise(DIGITS, length))));
    leaks.extend([16, 24, 40, 64].map(|length| format!("id-{}", noise(HEX, length))));
    leaks
}

#[test]
fn honest_values_pass() {
    assert!(HONEST.len() >= 120);
    let held: Vec<_> = HONEST
        .iter()
        .filter_map(|value| suspect(value).map(|suspicion| (value, suspicion)))
        .collect();
    assert!(held.is_empty(), "{held:#?}");
}

#[test]
fn leaks_are_caught() {
    let leaks = leaks();
    assert!(leaks.len() >= 120);
    let passed: Vec<_> = leaks
        .iter()
        .filter(|value| suspect(value).is_none())
        .collect();
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn the_reason_is_the_likely_one() {
    let key = format!("ghp_{}", noise(MIXED, 36));
    let noise = noise(LOWER, 24);
    for (value, reason) in [
        (key.as_str(), Suspicion::Secret),
        (&noise, Suspicion::HighEntropy),
        ("john-at-example-dot-com", Suspicion::Mail),
        ("call-49-151-1234567", Suspicion::Phone),
        ("4111-1111-1111-1111", Suspicion::Identifier),
        (
            "550e8400-e29b-41d4-a716-446655440000",
            Suspicion::Identifier,
        ),
        ("step-192.168.0.1", Suspicion::Identifier),
    ] {
        assert_eq!(suspect(value), Some(reason), "{value}");
    }
}

/// What cannot be told apart, written down so that a change shows.
#[test]
fn the_known_limits_are_these() {
    for passes in [
        "call-555-1234",
        "otp-482913",
        "8.8.8.8",
        "jane-doe",
        "john-at-gmail",
        "k3j9x-2q7w1-p5m8z",
        "seen-20261121103000",
    ] {
        assert_eq!(suspect(passes), None, "{passes}");
    }
    for held in [
        "1.0.0+1700000000",
        "sign-in-at-github.com",
        "shop-at-home.com",
        "chrome-120.0.6099.109",
        "items-1000-2000-3000",
        "d3k9x2vq7wz1mp.cloudfront.net",
    ] {
        assert!(suspect(held).is_some(), "{held}");
    }
    let full_commit = format!("1.4.2+{}", noise(HEX, 40));
    assert!(suspect(&full_commit).is_some());
}

/// Slow values would be an attack: the longest host, made of what the rules look at most closely.
#[test]
fn no_value_makes_the_net_slow() {
    for piece in [
        "at.",
        "a1b2c3d4e5.",
        "sk-",
        "1-",
        "20-26-",
        "aa-",
        "2026.11.21.",
        "internationalization.",
        "github-pat-",
    ] {
        let value = piece.repeat(253 / piece.len());
        let begun = std::time::Instant::now();
        for _ in 0..100 {
            std::hint::black_box(suspect(std::hint::black_box(&value)));
        }
        assert!(
            begun.elapsed() < std::time::Duration::from_millis(100),
            "{piece}"
        );
    }
}

const WORDS: &str = "accept account address billing browser button callback cancel captcha checkout code confirm consent continue \
    cookie country create dashboard delete details digits dropdown email enter error experiment form generate home hotel iframe \
    invite invoice key language load login logout menu modal navigate newsletter next open order organization page password \
    payment phone plan policy privacy profile question recovery region register reset resume review save search secret select \
    settings shipping signup step submit subscription success survey tab team terms token upload user verify wait wizard workspace \
    anmelden bestaetigen einstellungen zahlungsart connexion paiement inscripcion contrasena registrazione fatura rejestracja";

fn word() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    (
        prop::sample::select(words),
        prop::option::weighted(0.2, 0..100u32),
    )
        .prop_map(|(word, n)| match n {
            Some(n) => format!("{word}{n}"),
            None => word.to_owned(),
        })
}

fn honest_step() -> impl Strategy<Value = String> {
    let number = (1..1000u32).prop_map(|n| n.to_string());
    let date =
        (2020..2036u32, 1..13u32, 1..29u32).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"));
    let part = prop_oneof![8 => word(), 1 => (word(), number, word()).prop_map(|(a, n, b)| format!("{a}-{n}-{b}")), 1 => date];
    prop::collection::vec((part, prop::sample::select(vec!["-", "_", ".", ":"])), 1..6).prop_map(
        |parts| {
            let mut step = String::new();
            for (part, mark) in parts {
                // Two numbers in a row are another matter.
                let joint = step.ends_with(|c: char| c.is_ascii_digit())
                    && part.starts_with(|c: char| c.is_ascii_digit());
                step.push_str(match (step.is_empty(), joint) {
                    (true, _) => "",
                    (_, true) => "-on-",
                    (_, false) => mark,
                });
                step.push_str(&part);
            }
            step
        },
    )
}

fn honest_version() -> impl Strategy<Value = String> {
    let before = prop_oneof![
        Just(String::new()),
        "-(alpha|beta|rc)\\.[1-9][0-9]?",
        "-[1-9][0-9]{0,2}-g[0-9a-f]{7,12}"
    ];
    let after = prop_oneof![
        Just(String::new()),
        "\\+build\\.[1-9][0-9]{0,4}",
        "\\+20[23][0-9](0[1-9]|1[0-2])[012][1-9]",
        "\\+[0-9a-f]{7,8}",
        "\\+g[0-9a-f]{7,12}"
    ];
    (
        "(0|[1-9][0-9]?)\\.(0|[1-9][0-9]?)\\.(0|[1-9][0-9]{0,2})",
        before,
        after,
    )
        .prop_map(|(core, before, after)| core + &before + &after)
}

/// Something that must not get through, in the letters that a step has.
fn leak() -> impl Strategy<Value = String> {
    prop_oneof![
        "(sk-|hf_|npm_|sk-proj-|pypi-|drift_)[a-z0-9]{24,48}",
        "(ghp_|gho_|ghs_|github_pat_|glpat-|xoxb-|xoxp-|whsec_|ya29\\.|dop_v1_)[a-z0-9]{16,40}",
        "(akia|aiza)[a-z0-9]{16,35}",
        "eyj[a-z0-9]{10,40}",
        // Never a date: no group that begins with a zero or a two.
        "[13-9][0-9]{8,20}",
        "[3-9]{2,4}[-._:][3-9]{3,4}[-._:][3-9]{4}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}".prop_filter(
            "a UUID has digits",
            |id| id.bytes().filter(u8::is_ascii_digit).count() >= 3
        ),
        "[0-9a-f]{24,40}".prop_filter("mixed", |id| id.bytes().filter(u8::is_ascii_digit).count()
            >= 3
            && id.bytes().any(|b| b.is_ascii_lowercase())),
        "[a-z]{3,8}[-._][a-z]{3,8}-at-[a-z]{3,10}-dot-(com|de|org|fr)",
        "[a-z]{3,8}_at_[a-z]{3,10}\\.(com|de|org|net)",
        "[1-9][0-9]\\.1[0-9]{2}\\.[1-9]\\.[1-9][0-9]",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn an_honest_step_is_never_held_back(step in honest_step()) {
        prop_assert_eq!(suspect(&step), None);
    }

    #[test]
    fn an_honest_version_is_never_held_back(version in honest_version()) {
        prop_assert_eq!(suspect(&version), None);
    }

    #[test]
    fn a_leak_inside_an_honest_step_is_always_caught(before in honest_step(), leak in leak(), after in honest_step()) {
        for value in [leak.clone(), format!("{before}-{leak}"), format!("x:{leak}_x"), format!("{before}:x:{leak}:x:{after}")] {
            prop_assert!(suspect(&value).is_some(), "{value}");
            prop_assert_eq!(suspect(&value), suspect(&value.to_ascii_uppercase()));
        }
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in any::<String>(), marks in "[a-z0-9@%+ ._:é٣-]{0,100}") {
        suspect(&text);
        suspect(&marks);
    }
}
