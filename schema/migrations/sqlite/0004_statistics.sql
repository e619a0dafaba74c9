-- What the planner is to think of the tables. Without it SQLite takes any index whose first column it knows for as good as one
-- whose first three it knows, and reads all batches of a workspace to find those of one step. These are round numbers of a
-- large store, and fixed ones: plans do not change with what happens to be stored. Nothing here runs ANALYZE.
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('batches', 'batches', '1000000 1000000 1000 20 1'),
    ('batches', 'batches_by_step', '1000000 1000000 20000 1000 1'),
    ('batches', 'batches_fresh', '1000 1000 20 2 1'),
    ('events', 'sqlite_autoindex_events_1', '10000000 10000000 1'),
    ('events', 'events_by_report', '10000000 1 1'),
    ('events', 'events_but_reports', '500000 500000 1'),
    ('events', 'events_by_kind', '500000 500000 30000 1'),
    ('drifts', 'sqlite_autoindex_drifts_1', '10000 10000 200 1'),
    ('drifts', 'drifts_by_hash', '10000 10000 200 1'),
    ('drifts', 'drifts_by_issue', '1000 2'),
    ('drifts', 'drifts_pending', '100 100 10 1'),
    ('drifts', 'drifts_by_stage', '10000 10000 1500 50 1'),
    ('runs', 'sqlite_autoindex_runs_1', '100000 100000 1'),
    ('runs', 'runs_by_token', '100000 100000 1'),
    ('runs', 'runs_by_service', '100000 100000 1000 1'),
    ('facts', 'sqlite_autoindex_facts_1', '5000000 5000000 100000 5000 10 3 1');
-- Connections read it when they open; this one now.
ANALYZE sqlite_schema;
