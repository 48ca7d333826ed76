-- One journal: the records of one PBX. Layout 1.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Records in the order of their positions, some to many a row. A chunk lies within one epoch.
-- `last_pos` counts the span of gap records. `head` and `data` are described in chunk.py.
CREATE TABLE chunk (
    first_pos INTEGER PRIMARY KEY,
    last_pos  INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    first_us  INTEGER NOT NULL,
    last_us   INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    checksum  INTEGER NOT NULL,
    head      BLOB NOT NULL,
    data      BLOB NOT NULL
);

CREATE TABLE epoch (
    first_pos INTEGER PRIMARY KEY,
    epoch     INTEGER NOT NULL
);

-- Positions that were given out and hold nothing any more, or never did.
CREATE TABLE loss (
    first_pos INTEGER PRIMARY KEY,
    last_pos  INTEGER NOT NULL,
    cause     TEXT NOT NULL,
    from_us   INTEGER NOT NULL,
    to_us     INTEGER NOT NULL
);

CREATE TABLE cursor (
    name TEXT PRIMARY KEY,
    pos  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE state (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    pos  INTEGER NOT NULL,
    data BLOB NOT NULL
);

-- An ordinary group commit is one INSERT into this view: one statement is one transaction, and a thread
-- that runs one statement asks for the interpreter once, not once for each table.
CREATE VIEW group_commit AS
SELECT
    0 AS first_pos, 0 AS last_pos, 0 AS epoch, 0 AS first_seq, 0 AS first_us, 0 AS last_us,
    0 AS bytes, 0 AS checksum, x'' AS head, x'' AS data,
    '{}' AS cursors, '[]' AS removed, 0 AS state_pos, x'' AS state
WHERE 0;

CREATE TRIGGER group_commit_insert INSTEAD OF INSERT ON group_commit
BEGIN
    INSERT INTO chunk
    SELECT NEW.first_pos, NEW.last_pos, NEW.epoch, NEW.first_seq, NEW.first_us, NEW.last_us,
           NEW.bytes, NEW.checksum, NEW.head, NEW.data
    WHERE NEW.first_pos IS NOT NULL;

    DELETE FROM cursor WHERE name IN (SELECT value FROM json_each(NEW.removed));

    INSERT INTO cursor (name, pos)
    SELECT key, value FROM json_each(NEW.cursors) WHERE 1
    ON CONFLICT (name) DO UPDATE SET pos = excluded.pos;

    INSERT INTO state (id, pos, data)
    SELECT 1, NEW.state_pos, NEW.state WHERE NEW.state IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET pos = excluded.pos, data = excluded.data;
END;
