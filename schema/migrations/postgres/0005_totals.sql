-- Sums, so that nobody adds up all days of a drift while a runner waits. Twin of sqlite/0005_totals.sql.

-- Not derived from the log but from the tables beside it: all batches of a step before the workspace's day, added up. `picture` is
-- the newest that came with one of them, after its day. Emptied together with the day, they are added up again.
CREATE TABLE batch_totals (
    workspace TEXT COLLATE "C" NOT NULL,
    service   TEXT COLLATE "C" NOT NULL,
    step      TEXT COLLATE "C" NOT NULL,
    count     BIGINT NOT NULL,
    picture   TEXT COLLATE "C",
    PRIMARY KEY (workspace, service, step)
) WITH (fillfactor = 50);
CREATE TABLE batch_total_cursors (
    workspace TEXT NOT NULL PRIMARY KEY,
    day       TEXT COLLATE "C" NOT NULL
);

-- The facts of all days stand beside those of each day, under the empty one.
INSERT INTO facts (workspace, service, step, day, fact, value, count)
SELECT workspace, service, step, '', fact, value, SUM(count) FROM facts GROUP BY workspace, service, step, fact, value;
