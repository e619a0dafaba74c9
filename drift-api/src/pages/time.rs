//! Times as people read them: how long ago, with the exact moment on hover and for machines.

use std::fmt;

use drift_schema::Micros;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A moment as seen from another one. Displayed as a `<time>` element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    at: Micros,
    now: Micros,
}

impl When {
    pub(crate) fn new(at: Micros, now: Micros) -> Self {
        Self { at, now }
    }

    /// In words, as in `3 h ago`.
    pub(crate) fn words(&self) -> String {
        let seconds = (self.now.0 - self.at.0) / 1_000_000;
        let (ahead, seconds) = (seconds < 0, seconds.abs());
        // Two units where the first alone would say too little.
        let span = match seconds {
            0..10 => return "just now".to_owned(),
            10..MINUTE => format!("{seconds} s"),
            MINUTE..HOUR => format!("{} min", seconds / MINUTE),
            HOUR..DAY => format!("{} h", seconds / HOUR),
            DAY.. => format!("{} d", seconds / DAY),
            _ => return "at some time".to_owned(),
        };
        if ahead {
            format!("in {span}")
        } else {
            format!("{span} ago")
        }
    }

    /// To the second, in UTC.
    pub(crate) fn exact(&self) -> String {
        let exact = self.at.to_string();
        match exact.split_once('T') {
            Some((day, time)) => format!("{day} {} UTC", time.get(..8).unwrap_or(time)),
            None => exact,
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<time datetime=\"{}\" title=\"{}\">{}</time>",
            self.at,
            self.exact(),
            self.words()
        )
    }
}

/// Digits, letters and our own markup.
impl askama::filters::HtmlSafe for When {}

/// A moment to the second, in UTC.
pub(crate) fn exact(at: &Micros) -> String {
    When::new(*at, *at).exact()
}

/// A length of time, as in `1.4 s`.
pub(crate) fn span(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
        _ => format!(
            "{} h {} min",
            millis / 3_600_000,
            millis % 3_600_000 / 60_000
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_the_largest_unit_that_fits() {
        let now = Micros(1_790_000_000_000_000);
        let words = |seconds| When::new(now.minus_seconds(seconds), now).words();
        assert_eq!(words(3), "just now");
        assert_eq!(words(42), "42 s ago");
        assert_eq!(words(60), "1 min ago");
        assert_eq!(words(3 * 3600 + 59 * 60), "3 h ago");
        assert_eq!(words(50 * 3600), "2 d ago");
        assert_eq!(words(-7200), "in 2 h");
        let when = When::new(now.minus_seconds(60), now).to_string();
        assert_eq!(
            when,
            "<time datetime=\"2026-09-21T14:12:20.000000Z\" title=\"2026-09-21 14:12:20 UTC\">1 min ago</time>"
        );
    }

    #[test]
    fn a_length_has_two_figures_or_so() {
        assert_eq!(span(0), "0 ms");
        assert_eq!(span(1_449), "1.4 s");
        assert_eq!(span(61_000), "1 min 1 s");
        assert_eq!(span(7_260_000), "2 h 1 min");
    }
}
