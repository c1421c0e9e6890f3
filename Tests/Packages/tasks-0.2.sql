-- The file of tasks as apus 0.2 made it.
PRAGMA journal_mode = WAL;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES ('tasks');
CREATE TABLE tasks (
    id INTEGER NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    description TEXT,
    created_at TEXT NOT NULL
) STRICT;
INSERT INTO tasks VALUES (1, 'first', NULL, '2026-11-24T03:00:00.123456Z');
INSERT INTO tasks VALUES (2, 'second', 'with words', '2026-11-25T04:00:00.654321Z');
