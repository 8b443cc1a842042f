-- What people are to each other, and how they show themselves. Who blocks whom
-- is the daemon's. Ids are given by the program as those of posts, and order
-- the lists that are paged.

ALTER TABLE profiles ADD COLUMN followers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profiles ADD COLUMN following INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profiles ADD COLUMN requests  INTEGER NOT NULL DEFAULT 0; -- to follow the user, not answered
ALTER TABLE profiles ADD COLUMN locked    INTEGER NOT NULL DEFAULT 0; -- follows are asked for
ALTER TABLE profiles ADD COLUMN bot       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profiles ADD COLUMN hidden    INTEGER NOT NULL DEFAULT 0; -- not in the directory
ALTER TABLE profiles ADD COLUMN noindex   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profiles ADD COLUMN private_lists INTEGER NOT NULL DEFAULT 0; -- followers and following are the user's only
ALTER TABLE profiles ADD COLUMN fields    TEXT NOT NULL DEFAULT '[]'; -- JSON: [{"name":"","value":""}]
ALTER TABLE profiles ADD COLUMN privacy   INTEGER NOT NULL DEFAULT 1; -- visibility of posts that name none
ALTER TABLE profiles ADD COLUMN sensitive INTEGER NOT NULL DEFAULT 0; -- posts that do not say
ALTER TABLE profiles ADD COLUMN language  TEXT NOT NULL DEFAULT '';   -- posts that do not say
CREATE INDEX profiles_active ON profiles (last_status_at, user_id) WHERE last_status_at IS NOT NULL;
CREATE INDEX profiles_new ON profiles (user_id) WHERE hidden = 0;
CREATE INDEX profiles_followed ON profiles (followers, user_id) WHERE hidden = 0;

-- Avatars and headers.
CREATE TABLE portraits (
    user_id INTEGER NOT NULL,
    kind    INTEGER NOT NULL, -- 1 avatar, 2 header
    hash    TEXT NOT NULL,
    type    TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    width   INTEGER NOT NULL,
    height  INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX portraits_hash ON portraits (hash);

CREATE TABLE follows (
    id          INTEGER PRIMARY KEY,
    follower_id INTEGER NOT NULL,
    target_id   INTEGER NOT NULL,
    state       INTEGER NOT NULL,           -- 1 asked, 2 follows
    reblogs     INTEGER NOT NULL DEFAULT 1, -- wants them in the home timeline
    notify      INTEGER NOT NULL DEFAULT 0, -- wants a notification of each post
    languages   TEXT NOT NULL DEFAULT '',   -- of posts that are wanted, with spaces; empty: all
    UNIQUE (follower_id, target_id)
) STRICT;
CREATE INDEX follows_target ON follows (target_id, state, id);
CREATE INDEX follows_follower ON follows (follower_id, state, id);

CREATE TABLE mutes (
    id            INTEGER PRIMARY KEY,
    user_id       INTEGER NOT NULL,
    target_id     INTEGER NOT NULL,
    notifications INTEGER NOT NULL,
    expires       INTEGER, -- null: never
    UNIQUE (user_id, target_id)
) STRICT;
CREATE INDEX mutes_user ON mutes (user_id, id);
CREATE INDEX mutes_target ON mutes (target_id);
CREATE INDEX mutes_expires ON mutes (expires) WHERE expires IS NOT NULL;

-- What somebody notes about another, for themselves.
CREATE TABLE notes (
    user_id   INTEGER NOT NULL,
    target_id INTEGER NOT NULL,
    text      TEXT NOT NULL,
    PRIMARY KEY (user_id, target_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX notes_target ON notes (target_id);

CREATE TABLE endorsements (
    id        INTEGER PRIMARY KEY,
    user_id   INTEGER NOT NULL,
    target_id INTEGER NOT NULL,
    UNIQUE (user_id, target_id)
) STRICT;
CREATE INDEX endorsements_user ON endorsements (user_id, id);
CREATE INDEX endorsements_target ON endorsements (target_id);

-- Who is not to be suggested any more.
CREATE TABLE dismissals (
    user_id   INTEGER NOT NULL,
    target_id INTEGER NOT NULL,
    PRIMARY KEY (user_id, target_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dismissals_target ON dismissals (target_id);

CREATE TABLE domain_blocks (
    id      INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    domain  TEXT NOT NULL,
    UNIQUE (user_id, domain)
) STRICT;
CREATE INDEX domain_blocks_user ON domain_blocks (user_id, id);

CREATE TABLE lists (
    id        INTEGER PRIMARY KEY,
    owner_id  INTEGER NOT NULL,
    title     TEXT NOT NULL,
    replies   TEXT NOT NULL,   -- whose replies it shows: followed, list, none
    exclusive INTEGER NOT NULL -- its posts are not in the home timeline
) STRICT;
CREATE INDEX lists_owner ON lists (owner_id, id);

CREATE TABLE list_members (
    list_id INTEGER NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL,
    id      INTEGER NOT NULL, -- order of being added
    PRIMARY KEY (list_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX list_members_order ON list_members (list_id, id);
CREATE INDEX list_members_user ON list_members (user_id, list_id);

CREATE TABLE filters (
    id       INTEGER PRIMARY KEY,
    user_id  INTEGER NOT NULL,
    title    TEXT NOT NULL,
    contexts TEXT NOT NULL, -- home notifications public thread account, with spaces
    action   TEXT NOT NULL, -- warn, hide
    expires  INTEGER        -- null: never
) STRICT;
CREATE INDEX filters_user ON filters (user_id, id);

CREATE TABLE filter_keywords (
    id         INTEGER PRIMARY KEY,
    filter_id  INTEGER NOT NULL REFERENCES filters (id) ON DELETE CASCADE,
    keyword    TEXT NOT NULL,
    whole_word INTEGER NOT NULL
) STRICT;
CREATE INDEX filter_keywords_filter ON filter_keywords (filter_id, id);

CREATE TABLE filter_statuses (
    id        INTEGER PRIMARY KEY,
    filter_id INTEGER NOT NULL REFERENCES filters (id) ON DELETE CASCADE,
    status_id INTEGER NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    UNIQUE (filter_id, status_id)
) STRICT;
CREATE INDEX filter_statuses_status ON filter_statuses (status_id);

-- Up to where somebody has read.
CREATE TABLE markers (
    user_id   INTEGER NOT NULL,
    timeline  TEXT NOT NULL, -- home, notifications
    last_read INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    updated   INTEGER NOT NULL,
    PRIMARY KEY (user_id, timeline)
) STRICT, WITHOUT ROWID;

CREATE TABLE featured_tags (
    id      INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    name    TEXT NOT NULL, -- in lower case, without #
    UNIQUE (user_id, name)
) STRICT;
CREATE INDEX featured_tags_user ON featured_tags (user_id, id);
