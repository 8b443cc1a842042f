-- Groups, edits, deletions, reactions, attachments, search.

ALTER TABLE log ADD COLUMN key     BLOB;                       -- random, of signatures
ALTER TABLE log ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0; -- messages up to this position are in search

ALTER TABLE conversations ADD COLUMN avatar  TEXT;
ALTER TABLE conversations ADD COLUMN invite  TEXT;
ALTER TABLE conversations ADD COLUMN count   INTEGER NOT NULL DEFAULT 0; -- members
ALTER TABLE conversations ADD COLUMN roster  INTEGER NOT NULL DEFAULT 0; -- position at which the members changed last
ALTER TABLE conversations ADD COLUMN changed INTEGER NOT NULL DEFAULT 0; -- position at which title or avatar did
CREATE UNIQUE INDEX conversations_invite ON conversations (invite) WHERE invite IS NOT NULL;
UPDATE conversations SET count = (SELECT count(*) FROM members m WHERE m.conv = conversations.id AND m.left_seq IS NULL);

ALTER TABLE members ADD COLUMN recv_shown   INTEGER NOT NULL DEFAULT 0; -- the marks that others see
ALTER TABLE members ADD COLUMN read_shown   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN shown_cursor INTEGER NOT NULL DEFAULT 0; -- when those last grew
ALTER TABLE members ADD COLUMN set_cursor   INTEGER NOT NULL DEFAULT 0; -- when the settings changed
ALTER TABLE members ADD COLUMN unread       INTEGER NOT NULL DEFAULT 0; -- marked so by hand
UPDATE members SET recv_shown = recv, read_shown = read, shown_cursor = mark_cursor;

ALTER TABLE events ADD COLUMN subject INTEGER REFERENCES people; -- whose membership
ALTER TABLE events ADD COLUMN detail  TEXT; -- emoji of a reaction, action of a membership
ALTER TABLE events ADD COLUMN role    TEXT; -- of a membership
ALTER TABLE events ADD COLUMN is_on   INTEGER; -- of a reaction
CREATE INDEX events_target ON events (conv, target, type) WHERE target IS NOT NULL;

-- Earlier times in a group of those who came back.
CREATE TABLE spans (
  conv     INTEGER NOT NULL REFERENCES conversations,
  person   INTEGER NOT NULL REFERENCES people,
  from_seq INTEGER NOT NULL,
  to_seq   INTEGER NOT NULL,
  PRIMARY KEY (conv, person, from_seq)
) STRICT, WITHOUT ROWID;

-- Messages that somebody deleted for himself.
CREATE TABLE hidden (
  person INTEGER NOT NULL REFERENCES people,
  conv   INTEGER NOT NULL REFERENCES conversations,
  seq    INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  PRIMARY KEY (person, conv, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX hidden_cursor ON hidden (person, cursor);

-- Conversations that went off somebody's list: what his other devices are told.
-- The conversation itself may be erased.
CREATE TABLE gone (
  person INTEGER NOT NULL,
  conv   INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  seq    INTEGER NOT NULL, -- last one
  PRIMARY KEY (person, conv)
) STRICT, WITHOUT ROWID;
CREATE INDEX gone_cursor ON gone (person, cursor);

-- The cids of groups.
CREATE TABLE creations (
  person INTEGER NOT NULL,
  cid    TEXT    NOT NULL,
  conv   INTEGER NOT NULL,
  hash   BLOB    NOT NULL,
  PRIMARY KEY (person, cid)
) STRICT, WITHOUT ROWID;

CREATE TABLE reactions (
  conv   INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  person INTEGER NOT NULL REFERENCES people,
  emoji  TEXT    NOT NULL,
  PRIMARY KEY (conv, seq, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX reactions_person ON reactions (person);

CREATE TABLE blobs (
  id         TEXT    PRIMARY KEY, -- random
  owner      INTEGER NOT NULL REFERENCES people,
  hash       TEXT    NOT NULL, -- SHA-256: the bytes are shared
  name       TEXT    NOT NULL,
  type       TEXT    NOT NULL,
  size       INTEGER NOT NULL,
  width      INTEGER NOT NULL,
  height     INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX blobs_hash ON blobs (hash);
CREATE INDEX blobs_owner ON blobs (owner, size);
CREATE INDEX blobs_age ON blobs (created_at);

CREATE TABLE attachments (
  conv INTEGER NOT NULL,
  seq  INTEGER NOT NULL,
  n    INTEGER NOT NULL,
  blob TEXT    NOT NULL REFERENCES blobs,
  PRIMARY KEY (conv, seq, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX attachments_blob ON attachments (blob);

CREATE TABLE avatars (
  person INTEGER PRIMARY KEY REFERENCES people,
  blob   TEXT    NOT NULL REFERENCES blobs
) STRICT;
CREATE INDEX avatars_blob ON avatars (blob);
CREATE INDEX conversations_avatar ON conversations (avatar) WHERE avatar IS NOT NULL;

-- Bytes whose last blob is gone.
CREATE TABLE loose (
  hash TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What the worker has to erase.
CREATE TABLE erasures (
  id     INTEGER PRIMARY KEY,
  person INTEGER, -- everything of an account that is gone
  conv   INTEGER, -- a group that nobody is in
  below  INTEGER  -- of a direct conversation: what both sides cleared
) STRICT;

-- The words of messages. secure-delete takes those of a message that is deleted
-- out of the index for good.
CREATE VIRTUAL TABLE search USING fts5(
  text, content = 'events', content_rowid = 'cursor', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
