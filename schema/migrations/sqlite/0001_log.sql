-- The log and what is derived from it. Twin of postgres/0001_log.sql: same tables, same columns, same order.

CREATE TABLE event_heads (
    workspace TEXT    NOT NULL PRIMARY KEY,
    position  INTEGER NOT NULL,
    hash      BLOB    NOT NULL
) STRICT;

-- recorded_at is microseconds since 1970. payload_hash is filled when the payload is erased.
CREATE TABLE events (
    workspace    TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    recorded_at  INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    report_id    BLOB,
    payload      TEXT,
    payload_hash BLOB,
    hash         BLOB    NOT NULL,
    PRIMARY KEY (workspace, position),
    CHECK ((payload IS NULL) = (payload_hash IS NOT NULL))
) STRICT;
-- What makes a retried report count once.
CREATE UNIQUE INDEX events_by_report ON events (report_id, workspace) WHERE report_id IS NOT NULL;

-- Append-only, by trigger: the one change that passes is a report's payload giving way to its hash.
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;
-- REPLACE takes rows away without asking that trigger. One on INSERT could refuse it, but would make SQLite copy every
-- group of new rows once more; what was replaced breaks the chain, and `verify` says so.
CREATE TRIGGER events_update BEFORE UPDATE ON events
WHEN OLD.kind IS NOT 'report-received' OR OLD.payload IS NULL OR NEW.payload IS NOT NULL OR length(NEW.payload_hash) IS NOT 32
    OR (NEW.workspace, NEW.position, NEW.recorded_at, NEW.kind, NEW.version, NEW.hash)
        IS NOT (OLD.workspace, OLD.position, OLD.recorded_at, OLD.kind, OLD.version, OLD.hash)
    OR NEW.report_id IS NOT OLD.report_id
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;

-- Reports of one step on one day, counted. The updated columns are in no index, so that counting stays cheap.
CREATE TABLE batches (
    workspace      TEXT    NOT NULL,
    day            TEXT    NOT NULL,
    service        TEXT    NOT NULL,
    step           TEXT    NOT NULL,
    count          INTEGER NOT NULL,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    last_position  INTEGER NOT NULL,
    fresh          INTEGER NOT NULL,
    screenshot_ref TEXT,
    PRIMARY KEY (workspace, day, service, step)
) STRICT, WITHOUT ROWID;
CREATE INDEX batches_by_step ON batches (workspace, service, step, day);
-- No partial index over `fresh` as on Postgres: SQLite rewrites an index whenever a statement names one of its columns,
-- changed or not, and counting names it each time.

CREATE TABLE keys (
    workspace  TEXT    NOT NULL,
    key        TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    rate       INTEGER,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

-- Not derived from the log and not worth keeping: when a key was last seen, to the minute or so.
CREATE TABLE key_uses (
    key     TEXT    NOT NULL PRIMARY KEY,
    used_at INTEGER NOT NULL
) STRICT;
