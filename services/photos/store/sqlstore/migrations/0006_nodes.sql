-- As several nodes need it, in both engines: ids are given by the database, jobs
-- are taken for a while, and the bytes of uploads are blobs.

CREATE TABLE ids (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL -- the greatest that was given
) STRICT;
INSERT INTO ids (one, last) SELECT 1, max(
    coalesce((SELECT max(id) FROM statuses), 0), coalesce((SELECT max(id) FROM media), 0),
    coalesce((SELECT max(id) FROM marks), 0), coalesce((SELECT max(id) FROM notices), 0),
    coalesce((SELECT max(id) FROM tag_follows), 0), coalesce((SELECT max(id) FROM conversations), 0),
    coalesce((SELECT max(id) FROM follows), 0), coalesce((SELECT max(id) FROM mutes), 0),
    coalesce((SELECT max(id) FROM lists), 0), coalesce((SELECT max(id) FROM filters), 0),
    coalesce((SELECT max(id) FROM filter_keywords), 0), coalesce((SELECT max(id) FROM filter_statuses), 0),
    coalesce((SELECT max(id) FROM domain_blocks), 0), coalesce((SELECT max(id) FROM featured_tags), 0),
    coalesce((SELECT max(id) FROM stories), 0), coalesce((SELECT max(id) FROM uploads), 0),
    coalesce((SELECT max(id) FROM albums), 0), coalesce((SELECT max(id) FROM reports), 0),
    coalesce((SELECT max(id) FROM list_members), 0), coalesce((SELECT max(id) FROM endorsements), 0),
    coalesce((SELECT max(id) FROM tags), 0), coalesce((SELECT max(id) FROM jobs), 0),
    (SELECT id FROM removed WHERE one = 1));
DROP TRIGGER statuses_removed;
DROP TRIGGER media_removed;
DROP TRIGGER notices_removed;
DROP TRIGGER marks_removed;
DROP TRIGGER stories_removed;
DROP TRIGGER uploads_removed;
DROP TABLE removed;

ALTER TABLE jobs ADD COLUMN taken_by TEXT NOT NULL DEFAULT ''; -- the node that does it
ALTER TABLE jobs ADD COLUMN taken_until INTEGER NOT NULL DEFAULT 0;

-- Work that one node does for all.
CREATE TABLE turns (
    name  TEXT PRIMARY KEY,
    node  TEXT NOT NULL,
    until INTEGER NOT NULL -- nobody else does it before
) STRICT, WITHOUT ROWID;

CREATE TABLE upload_parts (
    upload_id INTEGER NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    at        INTEGER NOT NULL, -- where in the upload it begins
    hash      TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    PRIMARY KEY (upload_id, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_parts_hash ON upload_parts (hash);
DELETE FROM uploads WHERE media_id IS NULL; -- their bytes were files; clients begin anew
