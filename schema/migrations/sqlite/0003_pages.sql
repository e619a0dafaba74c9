-- What the pages for people show beside the log. Twin of postgres/0003_pages.sql.

-- The drifts that somebody has to look at are those in some stages.
CREATE INDEX drifts_by_stage ON drifts (workspace, stage, service, step);

-- Whatever is not a report is rare in the log, and is what people look for in it. Reports are in neither index, so that
-- ingest does not pay for them.
CREATE INDEX events_but_reports ON events (workspace, position) WHERE kind <> 'report-received';
CREATE INDEX events_by_kind ON events (workspace, kind, position) WHERE kind <> 'report-received';

-- Not derived from the log, each for its own reason.

-- An hour in which nothing happened leaves no event, so this is all that tells a runner that is well from one that is gone.
CREATE TABLE runner_contacts (
    workspace TEXT    NOT NULL PRIMARY KEY,
    seen_at   INTEGER NOT NULL
) STRICT;

-- What a runner last said that a service may cost: the settings are the runner's.
CREATE TABLE runner_budgets (
    workspace        TEXT    NOT NULL,
    service          TEXT    NOT NULL,
    per_day          INTEGER NOT NULL,
    cooldown_seconds INTEGER NOT NULL,
    PRIMARY KEY (workspace, service)
) STRICT;

-- How the last `verify` ended.
CREATE TABLE verifications (
    workspace  TEXT    NOT NULL PRIMARY KEY,
    checked_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    clean      INTEGER NOT NULL,
    found      TEXT    NOT NULL
) STRICT;
