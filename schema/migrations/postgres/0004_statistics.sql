-- Postgres gathers its own (autovacuum); SQLite is told. Twin of sqlite/0004_statistics.sql.
SELECT 1;
