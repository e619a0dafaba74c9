-- The log and what is derived from it. Twin of sqlite/0001_log.sql: same tables, same columns, same order.

CREATE TABLE event_heads (
    workspace TEXT   NOT NULL PRIMARY KEY,
    position  BIGINT NOT NULL,
    hash      BYTEA  NOT NULL
) WITH (fillfactor = 50);

-- recorded_at is microseconds since 1970. payload_hash is filled when the payload is erased.
CREATE TABLE events (
    workspace    TEXT    NOT NULL,
    position     BIGINT  NOT NULL,
    recorded_at  BIGINT  NOT NULL,
    kind         TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    report_id    UUID,
    payload      TEXT,
    payload_hash BYTEA,
    hash         BYTEA   NOT NULL,
    PRIMARY KEY (workspace, position),
    CHECK ((payload IS NULL) = (payload_hash IS NOT NULL))
);
-- What makes a retried report count once.
CREATE UNIQUE INDEX events_by_report ON events (report_id, workspace) WHERE report_id IS NOT NULL;

-- Append-only, by trigger: the one change that passes is a report's payload giving way to its hash.
CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE FUNCTION events_only_erase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.kind <> 'report-received' OR OLD.payload IS NULL OR NEW.payload IS NOT NULL
        OR NEW.payload_hash IS DISTINCT FROM sha256(convert_to(OLD.payload, 'UTF8'))
        OR (NEW.workspace, NEW.position, NEW.recorded_at, NEW.kind, NEW.version, NEW.hash)
            IS DISTINCT FROM (OLD.workspace, OLD.position, OLD.recorded_at, OLD.kind, OLD.version, OLD.hash)
        OR NEW.report_id IS DISTINCT FROM OLD.report_id
    THEN
        RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_refuse();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_refuse();
CREATE TRIGGER events_update BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION events_only_erase();
-- … and by privilege, from which only a superuser is exempt.
REVOKE ALL ON events FROM PUBLIC;
REVOKE UPDATE, DELETE, TRUNCATE ON events FROM CURRENT_USER;
GRANT UPDATE (payload, payload_hash) ON events TO CURRENT_USER;

-- Reports of one step on one day, counted. The updated columns are in no index, so that counting stays cheap.
CREATE TABLE batches (
    workspace      TEXT COLLATE "C" NOT NULL,
    day            TEXT COLLATE "C" NOT NULL,
    service        TEXT COLLATE "C" NOT NULL,
    step           TEXT COLLATE "C" NOT NULL,
    count          BIGINT  NOT NULL,
    first_seen     BIGINT  NOT NULL,
    last_seen      BIGINT  NOT NULL,
    last_position  BIGINT  NOT NULL,
    fresh          BOOLEAN NOT NULL,
    screenshot_ref TEXT,
    PRIMARY KEY (workspace, day, service, step)
) WITH (fillfactor = 60);
CREATE INDEX batches_by_step ON batches (workspace, service, step, day);
CREATE INDEX batches_fresh ON batches (workspace, day, service, step) WHERE fresh;

CREATE TABLE keys (
    workspace  TEXT    NOT NULL,
    key        TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    rate       BIGINT,
    created_at BIGINT  NOT NULL,
    revoked_at BIGINT
);

-- Not derived from the log and not worth keeping: when a key was last seen, to the minute or so.
CREATE TABLE key_uses (
    key     TEXT   NOT NULL PRIMARY KEY,
    used_at BIGINT NOT NULL
);
