//! The wire types as JSON Schemas and as TypeScript, for clients and scrapers in other languages. `schema/json/` and
//! `schema/scraper.d.ts` hold what this prints; a test in `tests/` says when they are stale.

mod typescript;

use schemars::{Schema, schema_for};

use crate::{action, answer, problem, report, run, scraper};
pub use typescript::scraper_types;

/// File name and schema of every document that crosses the wire.
pub fn json_schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("report", schema_for!(report::Report)),
        ("accepted", schema_for!(answer::Accepted)),
        ("accepted-lines", schema_for!(answer::AcceptedLines)),
        ("known", schema_for!(answer::Known)),
        ("fresh", schema_for!(answer::Fresh)),
        ("batches", schema_for!(answer::Batches)),
        ("drifts", schema_for!(answer::Drifts)),
        ("drift", schema_for!(answer::DriftDetails)),
        ("events", schema_for!(answer::Events)),
        ("drift-action", schema_for!(action::DriftAction)),
        ("service-action", schema_for!(action::ServiceAction)),
        ("work", schema_for!(run::Work)),
        ("claim", schema_for!(run::Claim)),
        ("claimed", schema_for!(run::Claimed)),
        ("judged", schema_for!(run::Judged)),
        ("done", schema_for!(run::Done)),
        ("finish", schema_for!(run::Finish)),
        ("problem", schema_for!(problem::Problem)),
        ("scraper", schema_for!(scraper::Line)),
    ]
}
