-- Sessions that somebody signed out of, until they would have been over anyway. Twin of postgres/0006_sessions.sql. Not derived
-- from the log: who looks at pages, and when they stop, is nobody's business later on.
CREATE TABLE ended_sessions (
    session TEXT    NOT NULL PRIMARY KEY,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
