//! Stories across the crates: one binary, so that it links once and shares one Postgres.

mod ingest;
mod telemetry;
mod throwaway_postgres;
