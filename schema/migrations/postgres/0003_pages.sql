-- What the pages for people show beside the log. Twin of sqlite/0003_pages.sql.

-- The drifts that somebody has to look at are those in some stages.
CREATE INDEX drifts_by_stage ON drifts (workspace, stage, service, step);

-- Whatever is not a report is rare in the log, and is what people look for in it. Reports are in neither index, so that
-- ingest does not pay for them.
CREATE INDEX events_but_reports ON events (workspace, position) WHERE kind <> 'report-received';
CREATE INDEX events_by_kind ON events (workspace, kind, position) WHERE kind <> 'report-received';

-- Not derived from the log, each for its own reason.

-- An hour in which nothing happened leaves no event, so this is all that tells a runner that is well from one that is gone.
CREATE TABLE runner_contacts (
    workspace TEXT   NOT NULL PRIMARY KEY,
    seen_at   BIGINT NOT NULL
);

-- What a runner last said that a service may cost: the settings are the runner's.
CREATE TABLE runner_budgets (
    workspace        TEXT    NOT NULL,
    service          TEXT COLLATE "C" NOT NULL,
    per_day          BIGINT  NOT NULL,
    cooldown_seconds BIGINT  NOT NULL,
    PRIMARY KEY (workspace, service)
);

-- How the last `verify` ended.
CREATE TABLE verifications (
    workspace  TEXT    NOT NULL PRIMARY KEY,
    checked_at BIGINT  NOT NULL,
    position   BIGINT  NOT NULL,
    clean      BOOLEAN NOT NULL,
    found      TEXT    NOT NULL
);
