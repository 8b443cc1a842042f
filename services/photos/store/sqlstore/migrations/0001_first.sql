-- Ids are (unix ms << 16) | counter, given by the program, strictly growing over
-- statuses and media together. Times are unix milliseconds.

CREATE TABLE profiles (
    user_id        INTEGER PRIMARY KEY, -- of the daemon's accounts
    statuses       INTEGER NOT NULL DEFAULT 0,
    last_status_at INTEGER,
    bytes          INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE statuses (
    id         INTEGER PRIMARY KEY,
    author_id  INTEGER NOT NULL,
    visibility INTEGER NOT NULL, -- 1 public, 2 unlisted, 3 private, 4 direct
    text       TEXT NOT NULL,
    spoiler    TEXT NOT NULL,
    sensitive  INTEGER NOT NULL,
    language   TEXT NOT NULL,
    app        TEXT NOT NULL,
    pictures   INTEGER NOT NULL
) STRICT;
CREATE INDEX statuses_author ON statuses (author_id, id);
CREATE INDEX statuses_public ON statuses (id) WHERE visibility = 1;

CREATE TABLE media (
    id          INTEGER PRIMARY KEY,
    owner_id    INTEGER NOT NULL,
    status_id   INTEGER REFERENCES statuses (id),
    position    INTEGER NOT NULL DEFAULT 0,
    loose_since INTEGER, -- null: in a post
    description TEXT NOT NULL,
    focus_x     REAL NOT NULL,
    focus_y     REAL NOT NULL,
    blurhash    TEXT NOT NULL,
    hash        TEXT NOT NULL, -- of the original
    type        TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    width       INTEGER NOT NULL,
    height      INTEGER NOT NULL,
    complete    INTEGER NOT NULL
) STRICT;
CREATE INDEX media_owner ON media (owner_id);
CREATE INDEX media_status ON media (status_id, position) WHERE status_id IS NOT NULL;
CREATE INDEX media_loose ON media (loose_since) WHERE loose_since IS NOT NULL;
CREATE INDEX media_incomplete ON media (id) WHERE complete = 0;
CREATE INDEX media_hash ON media (hash);

CREATE TABLE sizes (
    media_id INTEGER NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL,
    hash     TEXT NOT NULL,
    type     TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (media_id, width)
) STRICT, WITHOUT ROWID;
CREATE INDEX sizes_hash ON sizes (hash);

CREATE TABLE idempotency (
    author_id INTEGER NOT NULL,
    key       TEXT NOT NULL,
    status_id INTEGER NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    expires   INTEGER NOT NULL,
    PRIMARY KEY (author_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires);
CREATE INDEX idempotency_status ON idempotency (status_id);

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
