-- Threads, marks, tags, conversations and notifications. Ids are given by the
-- program as those of posts, and order the lists that are paged.

ALTER TABLE statuses ADD COLUMN reply         INTEGER NOT NULL DEFAULT 0; -- stays when what it answers is deleted
ALTER TABLE statuses ADD COLUMN parent_id     INTEGER; -- what it answers; null: nothing, or it was deleted
ALTER TABLE statuses ADD COLUMN parent_author INTEGER;
ALTER TABLE statuses ADD COLUMN thread_id     INTEGER NOT NULL DEFAULT 0; -- the id of the conversation's first post
ALTER TABLE statuses ADD COLUMN edited_at     INTEGER;
ALTER TABLE statuses ADD COLUMN replies       INTEGER NOT NULL DEFAULT 0; -- public and unlisted ones
ALTER TABLE statuses ADD COLUMN favourites    INTEGER NOT NULL DEFAULT 0;
UPDATE statuses SET thread_id = id;

DROP INDEX statuses_public;
CREATE INDEX statuses_public ON statuses (id) WHERE visibility = 1 AND reply = 0;
CREATE INDEX statuses_home ON statuses (author_id, id) WHERE visibility < 4 AND reply = 0;
CREATE INDEX statuses_parent ON statuses (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX statuses_thread ON statuses (thread_id, id);

-- Who is addressed: named in the text, or answered.
CREATE TABLE mentions (
    status_id INTEGER NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    user_id   INTEGER NOT NULL,
    PRIMARY KEY (status_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX mentions_user ON mentions (user_id, status_id);

CREATE TABLE tags (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE -- in lower case, without #
) STRICT;

CREATE TABLE status_tags (
    tag_id     INTEGER NOT NULL REFERENCES tags (id),
    status_id  INTEGER NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    visibility INTEGER NOT NULL, -- of the post
    PRIMARY KEY (tag_id, status_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX status_tags_status ON status_tags (status_id, tag_id);
CREATE INDEX status_tags_public ON status_tags (tag_id, status_id) WHERE visibility = 1;

CREATE TABLE tag_follows (
    id      INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    tag_id  INTEGER NOT NULL REFERENCES tags (id),
    UNIQUE (user_id, tag_id)
) STRICT;
CREATE INDEX tag_follows_user ON tag_follows (user_id, id);
CREATE INDEX tag_follows_tag ON tag_follows (tag_id);

CREATE TABLE marks (
    id        INTEGER PRIMARY KEY,
    kind      INTEGER NOT NULL, -- 1 favourite, 2 bookmark, 3 pin
    user_id   INTEGER NOT NULL,
    status_id INTEGER NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    UNIQUE (status_id, kind, user_id)
) STRICT;
CREATE INDEX marks_user ON marks (user_id, kind, id);
CREATE INDEX marks_status ON marks (status_id, kind, id);

-- Conversations that somebody wants no notifications of.
CREATE TABLE thread_mutes (
    user_id   INTEGER NOT NULL,
    thread_id INTEGER NOT NULL,
    PRIMARY KEY (user_id, thread_id)
) STRICT, WITHOUT ROWID;

-- Conversations of direct posts, as each who takes part has them.
CREATE TABLE conversations (
    id        INTEGER PRIMARY KEY,
    user_id   INTEGER NOT NULL,
    thread_id INTEGER NOT NULL,
    last_id   INTEGER NOT NULL, -- the newest post
    unread    INTEGER NOT NULL,
    UNIQUE (user_id, thread_id)
) STRICT;
CREATE INDEX conversations_last ON conversations (user_id, last_id);
CREATE INDEX conversations_thread ON conversations (thread_id);

CREATE TABLE notices (
    id        INTEGER PRIMARY KEY,
    user_id   INTEGER NOT NULL, -- who is told
    kind      TEXT NOT NULL,    -- mention, favourite, follow, follow_request, status
    actor_id  INTEGER NOT NULL, -- who did it
    status_id INTEGER REFERENCES statuses (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX notices_user ON notices (user_id, id);
CREATE INDEX notices_actor ON notices (actor_id, user_id, kind);
CREATE INDEX notices_status ON notices (status_id, user_id, kind, actor_id) WHERE status_id IS NOT NULL;

-- What posts were before they were changed.
CREATE TABLE versions (
    status_id INTEGER NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    at        INTEGER NOT NULL,
    text      TEXT NOT NULL,
    spoiler   TEXT NOT NULL,
    sensitive INTEGER NOT NULL,
    media     TEXT NOT NULL, -- JSON: the ids of its pictures in order
    PRIMARY KEY (status_id, at)
) STRICT, WITHOUT ROWID;

-- The words of posts, content warnings and descriptions. secure-delete takes
-- those of a post that is deleted out of the index for good.
CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
INSERT INTO words (rowid, text) SELECT id, text || ' ' || spoiler || ' ' ||
    coalesce((SELECT group_concat(description, ' ') FROM media WHERE status_id = statuses.id), '') FROM statuses;
