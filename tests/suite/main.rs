//! Stories across the crates: one binary, so that it links once and shares one Postgres.

mod throwaway_postgres;
