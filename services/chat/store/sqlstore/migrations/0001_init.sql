-- The service's log has one position, the cursor. Everything that is pushed to
-- somebody takes the next one in the transaction that makes it.
CREATE TABLE log (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  epoch  TEXT    NOT NULL, -- random; another one after a restore or a move
  cursor INTEGER NOT NULL  -- the last position that was given out
) STRICT;

-- Who ever took part. Usernames never change and are never given again, so a
-- copy is enough to show messages without asking the accounts.
CREATE TABLE people (
  id       INTEGER PRIMARY KEY, -- the account's
  username TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE conversations (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  kind        TEXT    NOT NULL CHECK (kind IN ('direct', 'group')),
  title       TEXT    NOT NULL DEFAULT '',
  direct      TEXT    UNIQUE, -- "low:high" ids of the two; NULL for groups
  created_by  INTEGER NOT NULL REFERENCES people,
  created_at  INTEGER NOT NULL, -- Unix milliseconds, like all times here
  last_seq    INTEGER NOT NULL DEFAULT 0,
  last_at     INTEGER NOT NULL, -- of last_seq; never falls
  last_cursor INTEGER NOT NULL, -- of last_seq or the creation: newest first
  touched     INTEGER NOT NULL  -- the last position that belongs to it at all
) STRICT;

-- A row is kept after leaving, for what one may still read.
CREATE TABLE members (
  conv        INTEGER NOT NULL REFERENCES conversations,
  person      INTEGER NOT NULL REFERENCES people,
  role        TEXT    NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
  from_seq    INTEGER NOT NULL DEFAULT 1, -- first event that one sees
  left_seq    INTEGER,                    -- last one; NULL while a member
  recv        INTEGER NOT NULL DEFAULT 0, -- high-water marks; read <= recv
  read        INTEGER NOT NULL DEFAULT 0,
  mark_cursor INTEGER NOT NULL DEFAULT 0, -- when the marks last grew
  shown       INTEGER NOT NULL DEFAULT 0, -- position of the event that shows the conversation; 0: not listed
  muted_until INTEGER,
  archived    INTEGER NOT NULL DEFAULT 0,
  pinned      INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (conv, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_person ON members (person, conv);

-- What happened in conversations: rows are appended in the order of cursor.
CREATE TABLE events (
  cursor    INTEGER PRIMARY KEY,
  conv      INTEGER NOT NULL REFERENCES conversations,
  seq       INTEGER NOT NULL, -- dense within conv
  type      INTEGER NOT NULL, -- 1 message; see EventType
  sender    INTEGER NOT NULL REFERENCES people,
  at        INTEGER NOT NULL,
  cid       TEXT,             -- of messages
  hash      BLOB,             -- of the body as first sent
  text      TEXT,
  reply_to  INTEGER,
  target    INTEGER,          -- seq that an edit, deletion or reaction is about
  edited_at INTEGER,
  deleted   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX events_seq ON events (conv, seq);
CREATE UNIQUE INDEX events_cid ON events (conv, sender, cid) WHERE cid IS NOT NULL;
