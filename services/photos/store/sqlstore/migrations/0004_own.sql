-- What Mastodon does not have, and the queue of background work.

ALTER TABLE media ADD COLUMN story_id INTEGER; -- null: in no story
ALTER TABLE media ADD COLUMN problem TEXT NOT NULL DEFAULT ''; -- why it will never be shown

-- The same picture as a size, in a type that not every browser reads.
CREATE TABLE variants (
    media_id INTEGER NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL,
    hash     TEXT NOT NULL,
    type     TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (media_id, width, type)
) STRICT, WITHOUT ROWID;
CREATE INDEX variants_hash ON variants (hash);

CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    media_id   INTEGER NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    priority   INTEGER NOT NULL, -- lower ones first
    run_after  INTEGER, -- null: given up
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    UNIQUE (media_id, kind)
) STRICT;
CREATE INDEX jobs_due ON jobs (priority, run_after, id) WHERE run_after IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (id) WHERE run_after IS NULL;
INSERT INTO jobs (kind, media_id, priority, run_after) SELECT 'ladder', id, 2, 0 FROM media WHERE complete = 0;
INSERT INTO jobs (kind, media_id, priority, run_after) SELECT 'variants', id, 3, 0 FROM media WHERE complete = 1;

CREATE TABLE uploads (
    id          INTEGER PRIMARY KEY,
    owner_id    INTEGER NOT NULL,
    length      INTEGER NOT NULL,
    offset      INTEGER NOT NULL, -- bytes that are on disk, synced
    metadata    TEXT NOT NULL, -- as it was sent
    description TEXT NOT NULL,
    focus_x     REAL NOT NULL,
    focus_y     REAL NOT NULL,
    expires     INTEGER NOT NULL,
    media_id    INTEGER REFERENCES media (id) ON DELETE SET NULL -- what became of it
) STRICT;
CREATE INDEX uploads_owner ON uploads (owner_id);
CREATE INDEX uploads_expires ON uploads (expires);
CREATE INDEX uploads_media ON uploads (media_id) WHERE media_id IS NOT NULL;

CREATE TABLE stories (
    id         INTEGER PRIMARY KEY,
    owner_id   INTEGER NOT NULL,
    media_id   INTEGER NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    visibility INTEGER NOT NULL,
    caption    TEXT NOT NULL,
    expires    INTEGER NOT NULL
) STRICT;
CREATE INDEX stories_owner ON stories (owner_id, id);
CREATE INDEX stories_expires ON stories (expires);
CREATE INDEX stories_media ON stories (media_id);

CREATE TABLE story_views (
    story_id INTEGER NOT NULL REFERENCES stories (id) ON DELETE CASCADE,
    user_id  INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (story_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX story_views_user ON story_views (user_id);

CREATE TABLE albums (
    id          INTEGER PRIMARY KEY,
    owner_id    INTEGER NOT NULL,
    title       TEXT NOT NULL,
    description TEXT NOT NULL,
    visibility  INTEGER NOT NULL
) STRICT;
CREATE INDEX albums_owner ON albums (owner_id, id);

CREATE TABLE album_items (
    album_id  INTEGER NOT NULL REFERENCES albums (id) ON DELETE CASCADE,
    status_id INTEGER NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    PRIMARY KEY (album_id, status_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX album_items_status ON album_items (status_id);

CREATE TABLE reports (
    id          INTEGER PRIMARY KEY,
    reporter_id INTEGER NOT NULL,
    target_id   INTEGER NOT NULL,
    category    TEXT NOT NULL,
    comment     TEXT NOT NULL,
    statuses    TEXT NOT NULL, -- JSON list of ids
    action      TEXT NOT NULL DEFAULT '', -- that an operator took
    resolved_by INTEGER,
    resolved_at INTEGER
) STRICT;
CREATE INDEX reports_open ON reports (id) WHERE resolved_at IS NULL;
CREATE INDEX reports_reporter ON reports (reporter_id);
CREATE INDEX reports_target ON reports (target_id);
