-- The life of drifts, the runs that look at them, and their evidence. Twin of postgres/0002_lifecycle.sql.

-- Position of the last event that was not a report: as long as it stays, so does what ingest knows of the drifts.
ALTER TABLE event_heads ADD COLUMN lifecycle_at INTEGER NOT NULL DEFAULT 0;

-- A service's work is asked for by service. SQLite rewrites an index whenever a statement names one of its columns, changed
-- or not, so counting names `fresh` only where it may change (see `store/bulk.rs`).
CREATE INDEX batches_fresh ON batches (workspace, service, step, day) WHERE fresh;

-- A drift once something but a report happened to it. `state` is the whole of it, as JSON; the columns are what is looked for.
CREATE TABLE drifts (
    workspace TEXT NOT NULL,
    service   TEXT NOT NULL,
    step      TEXT NOT NULL,
    step_hash TEXT NOT NULL,
    stage     TEXT    NOT NULL,
    pending   INTEGER NOT NULL,
    issue     INTEGER,
    state     TEXT    NOT NULL,
    PRIMARY KEY (workspace, service, step)
) STRICT;
CREATE UNIQUE INDEX drifts_by_hash ON drifts (workspace, service, step_hash);
CREATE INDEX drifts_by_issue ON drifts (issue) WHERE issue IS NOT NULL;
CREATE INDEX drifts_pending ON drifts (workspace, service, step) WHERE pending;

-- Budget, kill switch, the run that has it, what runs left behind. The service `*` is all of them.
CREATE TABLE services (
    workspace TEXT NOT NULL,
    service   TEXT NOT NULL,
    state     TEXT NOT NULL,
    PRIMARY KEY (workspace, service)
) STRICT;

CREATE TABLE runs (
    workspace  TEXT NOT NULL,
    run        BLOB   NOT NULL,
    service    TEXT NOT NULL,
    token      INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    state      TEXT   NOT NULL,
    PRIMARY KEY (workspace, run)
) STRICT;
CREATE INDEX runs_by_token ON runs (workspace, token);
CREATE INDEX runs_by_service ON runs (workspace, service, token);

CREATE TABLE artifacts (
    workspace  TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    media_type TEXT   NOT NULL,
    size       INTEGER NOT NULL,
    stored_at  INTEGER NOT NULL,
    PRIMARY KEY (workspace, sha256)
) STRICT;

-- Not derived from the log, each for its own reason.

-- How long the run that has a service may go without a sign of life. Without a row it may be taken over.
CREATE TABLE leases (
    workspace TEXT   NOT NULL,
    service   TEXT   NOT NULL,
    run       BLOB   NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (workspace, service)
) STRICT;

-- What was reported of a drift: kinds, versions, hosts, digests. Counted a while after the reports came in, up to the
-- cursor; emptied with the cursor set to 0, it is counted again.
CREATE TABLE facts (
    workspace TEXT NOT NULL,
    service   TEXT NOT NULL,
    step      TEXT NOT NULL,
    day       TEXT NOT NULL,
    fact      TEXT NOT NULL,
    value     TEXT NOT NULL,
    count     INTEGER NOT NULL,
    PRIMARY KEY (workspace, service, step, day, fact, value)
) STRICT;
CREATE TABLE fact_cursors (
    workspace TEXT   NOT NULL PRIMARY KEY,
    position  INTEGER NOT NULL
) STRICT;

-- Webhooks come twice at times.
CREATE TABLE deliveries (
    delivery    TEXT   NOT NULL PRIMARY KEY,
    received_at INTEGER NOT NULL
) STRICT;

-- Drawn once, for processes that are given none: the key that signs links.
CREATE TABLE secrets (
    name  TEXT  NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
