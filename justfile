# `just` lists the recipes. Each is a thin wrapper: what it runs works without just, too.

_default:
    @just --list --unsorted

# Everything CI runs
ci:
    bash .ci/run

# All tests, or the stories whose name contains FILTER
test *filter:
    ops/test {{ filter }}

# The whole loop on this machine, to look at; `just demo --once` checks it and ends
demo *args:
    ops/demo {{ args }}

# Format the code
fmt:
    cargo fmt --all

# Clippy as CI runs it
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# The documentation, opened in a browser
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --open

# Look at changed snapshots and accept them (needs cargo-insta)
snapshots:
    cargo insta review

# Fuzz TARGET until stopped, or as ARGS say: `just fuzz report -- -max_total_time=60` (nightly, cargo-fuzz)
fuzz target *args:
    cargo +nightly fuzz run --fuzz-dir schema/fuzz {{ target }} {{ args }}

# Benchmarks, against limits measured in the same run
bench *args:
    cargo run --release --locked -p drift-bench -- {{ args }}

# The long kill test: kill -9 under load, KILLS times per database
kills kills="1000":
    DRIFT_KILLS={{ kills }} cargo test --workspace --test suite kill:: -- --nocapture

# A throw-away Postgres until Ctrl-C; prints its URL
postgres *args:
    cargo run --quiet -p drift-tests --bin throwaway-postgres -- {{ args }}
