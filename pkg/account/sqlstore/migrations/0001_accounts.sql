-- Times are Unix milliseconds.

CREATE TABLE user (
  id         INTEGER PRIMARY KEY,
  username   TEXT    NOT NULL UNIQUE, -- stays when the user is deleted: never given again
  name       TEXT    NOT NULL,
  folded     TEXT    NOT NULL,        -- name in lower case, for the search
  about      TEXT    NOT NULL,
  role       TEXT    NOT NULL,
  hash       TEXT    NOT NULL,        -- of the password; PHC string
  suspended  INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
  id         TEXT    PRIMARY KEY,
  token      BLOB    NOT NULL UNIQUE, -- SHA-256
  user_id    INTEGER NOT NULL,        -- 0: an app without a user
  service    TEXT    NOT NULL,
  device     TEXT    NOT NULL,
  scopes     TEXT    NOT NULL,
  app_id     INTEGER NOT NULL,        -- 0: none
  created_at INTEGER NOT NULL,
  seen_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX session_owner ON session (user_id, service, app_id, seen_at);

CREATE TABLE invite (
  code       BLOB    PRIMARY KEY,     -- SHA-256
  uses       INTEGER NOT NULL,        -- left
  expires_at INTEGER                  -- NULL: never
) STRICT;

CREATE TABLE app (
  id           INTEGER PRIMARY KEY,
  service      TEXT    NOT NULL,
  client_id    TEXT    NOT NULL UNIQUE,
  secret       BLOB    NOT NULL,      -- SHA-256
  name         TEXT    NOT NULL,
  website      TEXT    NOT NULL,
  redirect_uris TEXT   NOT NULL,      -- JSON array
  scopes       TEXT    NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT;

-- The log of changes. The key keeps it small: the last of a kind replaces the
-- one before, and takes a new position.
CREATE TABLE change (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  kind       TEXT    NOT NULL,
  user_id    INTEGER NOT NULL,
  session_id TEXT    NOT NULL,
  service    TEXT    NOT NULL,
  at         INTEGER NOT NULL,
  UNIQUE (user_id, kind, session_id)
) STRICT;
CREATE INDEX change_session ON change (at) WHERE kind = 'session';
