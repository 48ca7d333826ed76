-- The command journal: what was sent to the PBX and how it ended. One file a PBX.

CREATE TABLE IF NOT EXISTS meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- A row stands here before the first byte of a command goes to the PBX; state and reply come with its end.
-- One that was never sent (rejected, expired) has only the second half.
CREATE TABLE IF NOT EXISTS command (
    id        TEXT PRIMARY KEY,
    body      BLOB NOT NULL,
    sent_us   INTEGER NOT NULL DEFAULT 0, -- 0: never sent
    event_pos INTEGER NOT NULL DEFAULT 0, -- the event journal's position when it was sent
    ring_ms   INTEGER NOT NULL DEFAULT 0, -- how long a call may ring; 0: no call
    state     TEXT NOT NULL DEFAULT '',   -- empty while there is no final reply
    reply     BLOB NOT NULL DEFAULT x'',
    final_us  INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX IF NOT EXISTS command_open ON command (sent_us) WHERE state = '';
CREATE INDEX IF NOT EXISTS command_unsent ON command (final_us) WHERE sent_us = 0 AND state <> '';
CREATE INDEX IF NOT EXISTS command_final ON command (final_us) WHERE state <> '';
