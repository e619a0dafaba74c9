-- The life of drifts, the runs that look at them, and their evidence. Twin of sqlite/0002_lifecycle.sql.

-- Position of the last event that was not a report: as long as it stays, so does what ingest knows of the drifts.
ALTER TABLE event_heads ADD COLUMN lifecycle_at BIGINT NOT NULL DEFAULT 0;

-- A service's work is asked for by service.
DROP INDEX batches_fresh;
CREATE INDEX batches_fresh ON batches (workspace, service, step, day) WHERE fresh;

-- A drift once something but a report happened to it. `state` is the whole of it, as JSON; the columns are what is looked for.
CREATE TABLE drifts (
    workspace TEXT COLLATE "C" NOT NULL,
    service   TEXT COLLATE "C" NOT NULL,
    step      TEXT COLLATE "C" NOT NULL,
    step_hash TEXT COLLATE "C" NOT NULL,
    stage     TEXT    NOT NULL,
    pending   BOOLEAN NOT NULL,
    issue     BIGINT,
    state     TEXT    NOT NULL,
    PRIMARY KEY (workspace, service, step)
);
CREATE UNIQUE INDEX drifts_by_hash ON drifts (workspace, service, step_hash);
CREATE INDEX drifts_by_issue ON drifts (issue) WHERE issue IS NOT NULL;
CREATE INDEX drifts_pending ON drifts (workspace, service, step) WHERE pending;

-- Budget, kill switch, the run that has it, what runs left behind. The service `*` is all of them.
CREATE TABLE services (
    workspace TEXT COLLATE "C" NOT NULL,
    service   TEXT COLLATE "C" NOT NULL,
    state     TEXT NOT NULL,
    PRIMARY KEY (workspace, service)
);

CREATE TABLE runs (
    workspace  TEXT COLLATE "C" NOT NULL,
    run        UUID   NOT NULL,
    service    TEXT COLLATE "C" NOT NULL,
    token      BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    PRIMARY KEY (workspace, run)
);
CREATE INDEX runs_by_token ON runs (workspace, token);
CREATE INDEX runs_by_service ON runs (workspace, service, token);

CREATE TABLE artifacts (
    workspace  TEXT COLLATE "C" NOT NULL,
    sha256     TEXT COLLATE "C" NOT NULL,
    media_type TEXT   NOT NULL,
    size       BIGINT NOT NULL,
    stored_at  BIGINT NOT NULL,
    PRIMARY KEY (workspace, sha256)
);

-- Not derived from the log, each for its own reason.

-- How long the run that has a service may go without a sign of life. Without a row it may be taken over.
CREATE TABLE leases (
    workspace TEXT   NOT NULL,
    service   TEXT   NOT NULL,
    run       UUID   NOT NULL,
    until     BIGINT NOT NULL,
    PRIMARY KEY (workspace, service)
);

-- What was reported of a drift: kinds, versions, hosts, digests. Counted a while after the reports came in, up to the
-- cursor; emptied with the cursor set to 0, it is counted again.
CREATE TABLE facts (
    workspace TEXT COLLATE "C" NOT NULL,
    service   TEXT COLLATE "C" NOT NULL,
    step      TEXT COLLATE "C" NOT NULL,
    day       TEXT COLLATE "C" NOT NULL,
    fact      TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (workspace, service, step, day, fact, value)
);
CREATE TABLE fact_cursors (
    workspace TEXT   NOT NULL PRIMARY KEY,
    position  BIGINT NOT NULL
);

-- Webhooks come twice at times.
CREATE TABLE deliveries (
    delivery    TEXT   NOT NULL PRIMARY KEY,
    received_at BIGINT NOT NULL
);

-- Drawn once, for processes that are given none: the key that signs links.
CREATE TABLE secrets (
    name  TEXT  NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);
