-- Sums, so that nobody adds up all days of a drift while a runner waits. Twin of postgres/0005_totals.sql.

-- Not derived from the log but from the tables beside it: all batches of a step before the workspace's day, added up. `picture` is
-- the newest that came with one of them, after its day. Emptied together with the day, they are added up again.
CREATE TABLE batch_totals (
    workspace TEXT    NOT NULL,
    service   TEXT    NOT NULL,
    step      TEXT    NOT NULL,
    count     INTEGER NOT NULL,
    picture   TEXT,
    PRIMARY KEY (workspace, service, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE batch_total_cursors (
    workspace TEXT NOT NULL PRIMARY KEY,
    day       TEXT NOT NULL
) STRICT;

-- The facts of all days stand beside those of each day, under the empty one.
INSERT INTO facts (workspace, service, step, day, fact, value, count)
SELECT workspace, service, step, '', fact, value, SUM(count) FROM facts GROUP BY workspace, service, step, fact, value;

-- As in 0004_statistics.sql.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('batch_totals', 'batch_totals', '10000 10000 200 1');
ANALYZE sqlite_schema;
