-- Times are Unix milliseconds.

ALTER TABLE user ADD COLUMN avatar         TEXT    NOT NULL DEFAULT ''; -- a blob of the service beside it
ALTER TABLE user ADD COLUMN avatar_service TEXT    NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN last_seen      TEXT    NOT NULL DEFAULT 'everyone';
ALTER TABLE user ADD COLUMN receipts       INTEGER NOT NULL DEFAULT 1;
ALTER TABLE user ADD COLUMN generation     INTEGER NOT NULL DEFAULT 1;  -- grows when all sessions are ended
UPDATE user SET last_seen = '', receipts = 0, generation = 0 WHERE deleted_at IS NOT NULL;

CREATE TABLE block (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id  INTEGER NOT NULL,
  other_id INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  UNIQUE (user_id, other_id)
) STRICT;
CREATE INDEX block_other ON block (other_id, user_id);

CREATE TABLE code (
  code         BLOB    PRIMARY KEY,  -- SHA-256
  user_id      INTEGER NOT NULL,
  app_id       INTEGER NOT NULL,
  service      TEXT    NOT NULL,
  scopes       TEXT    NOT NULL,
  redirect_uri TEXT    NOT NULL,
  challenge    TEXT    NOT NULL,
  generation   INTEGER NOT NULL,     -- of the user, when the code was made
  session_id   TEXT,                 -- that was made from it; NULL: not used
  created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX code_user ON code (user_id, created_at);
CREATE INDEX code_age ON code (created_at);
CREATE INDEX code_app ON code (app_id);
CREATE INDEX session_app ON session (app_id) WHERE app_id <> 0;
CREATE INDEX app_service ON app (service, id);

CREATE TABLE follower (
  service TEXT    PRIMARY KEY,
  cursor  INTEGER NOT NULL           -- it has acted on the changes up to here
) STRICT;

-- The log, with a second user. Positions go on from where they were.
CREATE TABLE change2 (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  kind       TEXT    NOT NULL,
  user_id    INTEGER NOT NULL,
  other_id   INTEGER NOT NULL,       -- 0: none
  session_id TEXT    NOT NULL,
  service    TEXT    NOT NULL,
  at         INTEGER NOT NULL,
  UNIQUE (user_id, kind, session_id, other_id)
) STRICT;
INSERT INTO change2 SELECT seq, kind, user_id, 0, session_id, service, at FROM change;
DELETE FROM sqlite_sequence WHERE name = 'change2';
INSERT INTO sqlite_sequence (name, seq) SELECT 'change2', seq FROM sqlite_sequence WHERE name = 'change';
DROP TABLE change;
ALTER TABLE change2 RENAME TO change;
CREATE INDEX change_session ON change (at) WHERE kind = 'session';
CREATE INDEX change_deleted ON change (seq) WHERE kind = 'deleted';
CREATE INDEX change_other ON change (other_id) WHERE other_id <> 0;
