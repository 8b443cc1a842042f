-- What the migrations for SQLite come to, with the same columns: rows look the
-- same in both. Booleans are 0 and 1, times are unix milliseconds, text is compared
-- by its bytes. What columns mean stands there.

-- The greatest id that was given.
CREATE TABLE ids (
    one  bigint PRIMARY KEY CHECK (one = 1),
    last bigint NOT NULL
);
INSERT INTO ids (one, last) VALUES (1, 0);

CREATE TABLE secrets (
    name  text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);

CREATE TABLE turns (
    name  text COLLATE "C" PRIMARY KEY,
    node  text COLLATE "C" NOT NULL,
    until bigint NOT NULL
);

CREATE TABLE profiles (
    user_id        bigint PRIMARY KEY,
    statuses       bigint NOT NULL DEFAULT 0,
    last_status_at bigint,
    bytes          bigint NOT NULL DEFAULT 0,
    followers      bigint NOT NULL DEFAULT 0,
    following      bigint NOT NULL DEFAULT 0,
    requests       bigint NOT NULL DEFAULT 0,
    locked         bigint NOT NULL DEFAULT 0,
    bot            bigint NOT NULL DEFAULT 0,
    hidden         bigint NOT NULL DEFAULT 0,
    noindex        bigint NOT NULL DEFAULT 0,
    private_lists  bigint NOT NULL DEFAULT 0,
    fields         text COLLATE "C" NOT NULL DEFAULT '[]',
    privacy        bigint NOT NULL DEFAULT 1,
    sensitive      bigint NOT NULL DEFAULT 0,
    language       text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX profiles_active ON profiles (last_status_at, user_id) WHERE last_status_at IS NOT NULL;
CREATE INDEX profiles_new ON profiles (user_id) WHERE hidden = 0;
CREATE INDEX profiles_followed ON profiles (followers, user_id) WHERE hidden = 0;

CREATE TABLE portraits (
    user_id bigint NOT NULL,
    kind    bigint NOT NULL,
    hash    text COLLATE "C" NOT NULL,
    type    text COLLATE "C" NOT NULL,
    bytes   bigint NOT NULL,
    width   bigint NOT NULL,
    height  bigint NOT NULL,
    PRIMARY KEY (user_id, kind)
);
CREATE INDEX portraits_hash ON portraits (hash);

CREATE TABLE statuses (
    id            bigint PRIMARY KEY,
    author_id     bigint NOT NULL,
    visibility    bigint NOT NULL,
    text          text COLLATE "C" NOT NULL,
    spoiler       text COLLATE "C" NOT NULL,
    sensitive     bigint NOT NULL,
    language      text COLLATE "C" NOT NULL,
    app           text COLLATE "C" NOT NULL,
    pictures      bigint NOT NULL,
    reply         bigint NOT NULL DEFAULT 0,
    parent_id     bigint,
    parent_author bigint,
    thread_id     bigint NOT NULL DEFAULT 0,
    edited_at     bigint,
    replies       bigint NOT NULL DEFAULT 0,
    favourites    bigint NOT NULL DEFAULT 0
);
CREATE INDEX statuses_author ON statuses (author_id, id);
CREATE INDEX statuses_public ON statuses (id) WHERE visibility = 1 AND reply = 0;
CREATE INDEX statuses_home ON statuses (author_id, id) WHERE visibility < 4 AND reply = 0;
CREATE INDEX statuses_parent ON statuses (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX statuses_thread ON statuses (thread_id, id);

CREATE TABLE media (
    id          bigint PRIMARY KEY,
    owner_id    bigint NOT NULL,
    status_id   bigint REFERENCES statuses (id),
    position    bigint NOT NULL DEFAULT 0,
    loose_since bigint,
    description text COLLATE "C" NOT NULL,
    focus_x     double precision NOT NULL,
    focus_y     double precision NOT NULL,
    blurhash    text COLLATE "C" NOT NULL,
    hash        text COLLATE "C" NOT NULL,
    type        text COLLATE "C" NOT NULL,
    bytes       bigint NOT NULL,
    width       bigint NOT NULL,
    height      bigint NOT NULL,
    complete    bigint NOT NULL,
    story_id    bigint,
    problem     text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX media_owner ON media (owner_id);
CREATE INDEX media_status ON media (status_id, position) WHERE status_id IS NOT NULL;
CREATE INDEX media_loose ON media (loose_since) WHERE loose_since IS NOT NULL;
CREATE INDEX media_incomplete ON media (id) WHERE complete = 0;
CREATE INDEX media_hash ON media (hash);

CREATE TABLE sizes (
    media_id bigint NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    width    bigint NOT NULL,
    height   bigint NOT NULL,
    hash     text COLLATE "C" NOT NULL,
    type     text COLLATE "C" NOT NULL,
    bytes    bigint NOT NULL,
    PRIMARY KEY (media_id, width)
);
CREATE INDEX sizes_hash ON sizes (hash);

CREATE TABLE variants (
    media_id bigint NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    width    bigint NOT NULL,
    height   bigint NOT NULL,
    hash     text COLLATE "C" NOT NULL,
    type     text COLLATE "C" NOT NULL,
    bytes    bigint NOT NULL,
    PRIMARY KEY (media_id, width, type)
);
CREATE INDEX variants_hash ON variants (hash);

CREATE TABLE jobs (
    id          bigint PRIMARY KEY,
    kind        text COLLATE "C" NOT NULL,
    media_id    bigint NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    priority    bigint NOT NULL,
    run_after   bigint,
    attempts    bigint NOT NULL DEFAULT 0,
    last_error  text COLLATE "C" NOT NULL DEFAULT '',
    taken_by    text COLLATE "C" NOT NULL DEFAULT '',
    taken_until bigint NOT NULL DEFAULT 0,
    UNIQUE (media_id, kind)
);
CREATE INDEX jobs_due ON jobs (priority, run_after, id) WHERE run_after IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (id) WHERE run_after IS NULL;

CREATE TABLE idempotency (
    author_id bigint NOT NULL,
    key       text COLLATE "C" NOT NULL,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    expires   bigint NOT NULL,
    PRIMARY KEY (author_id, key)
);
CREATE INDEX idempotency_expires ON idempotency (expires);
CREATE INDEX idempotency_status ON idempotency (status_id);

CREATE TABLE follows (
    id          bigint PRIMARY KEY,
    follower_id bigint NOT NULL,
    target_id   bigint NOT NULL,
    state       bigint NOT NULL,
    reblogs     bigint NOT NULL DEFAULT 1,
    notify      bigint NOT NULL DEFAULT 0,
    languages   text COLLATE "C" NOT NULL DEFAULT '',
    UNIQUE (follower_id, target_id)
);
CREATE INDEX follows_target ON follows (target_id, state, id);
CREATE INDEX follows_follower ON follows (follower_id, state, id);

CREATE TABLE mutes (
    id            bigint PRIMARY KEY,
    user_id       bigint NOT NULL,
    target_id     bigint NOT NULL,
    notifications bigint NOT NULL,
    expires       bigint,
    UNIQUE (user_id, target_id)
);
CREATE INDEX mutes_user ON mutes (user_id, id);
CREATE INDEX mutes_target ON mutes (target_id);
CREATE INDEX mutes_expires ON mutes (expires) WHERE expires IS NOT NULL;

CREATE TABLE notes (
    user_id   bigint NOT NULL,
    target_id bigint NOT NULL,
    text      text COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, target_id)
);
CREATE INDEX notes_target ON notes (target_id);

CREATE TABLE endorsements (
    id        bigint PRIMARY KEY,
    user_id   bigint NOT NULL,
    target_id bigint NOT NULL,
    UNIQUE (user_id, target_id)
);
CREATE INDEX endorsements_user ON endorsements (user_id, id);
CREATE INDEX endorsements_target ON endorsements (target_id);

CREATE TABLE dismissals (
    user_id   bigint NOT NULL,
    target_id bigint NOT NULL,
    PRIMARY KEY (user_id, target_id)
);
CREATE INDEX dismissals_target ON dismissals (target_id);

CREATE TABLE domain_blocks (
    id      bigint PRIMARY KEY,
    user_id bigint NOT NULL,
    domain  text COLLATE "C" NOT NULL,
    UNIQUE (user_id, domain)
);
CREATE INDEX domain_blocks_user ON domain_blocks (user_id, id);

CREATE TABLE lists (
    id        bigint PRIMARY KEY,
    owner_id  bigint NOT NULL,
    title     text COLLATE "C" NOT NULL,
    replies   text COLLATE "C" NOT NULL,
    exclusive bigint NOT NULL
);
CREATE INDEX lists_owner ON lists (owner_id, id);

CREATE TABLE list_members (
    list_id bigint NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    user_id bigint NOT NULL,
    id      bigint NOT NULL,
    PRIMARY KEY (list_id, user_id)
);
CREATE INDEX list_members_order ON list_members (list_id, id);
CREATE INDEX list_members_user ON list_members (user_id, list_id);

CREATE TABLE filters (
    id       bigint PRIMARY KEY,
    user_id  bigint NOT NULL,
    title    text COLLATE "C" NOT NULL,
    contexts text COLLATE "C" NOT NULL,
    action   text COLLATE "C" NOT NULL,
    expires  bigint
);
CREATE INDEX filters_user ON filters (user_id, id);

CREATE TABLE filter_keywords (
    id         bigint PRIMARY KEY,
    filter_id  bigint NOT NULL REFERENCES filters (id) ON DELETE CASCADE,
    keyword    text COLLATE "C" NOT NULL,
    whole_word bigint NOT NULL
);
CREATE INDEX filter_keywords_filter ON filter_keywords (filter_id, id);

CREATE TABLE filter_statuses (
    id        bigint PRIMARY KEY,
    filter_id bigint NOT NULL REFERENCES filters (id) ON DELETE CASCADE,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    UNIQUE (filter_id, status_id)
);
CREATE INDEX filter_statuses_status ON filter_statuses (status_id);

CREATE TABLE markers (
    user_id   bigint NOT NULL,
    timeline  text COLLATE "C" NOT NULL,
    last_read bigint NOT NULL,
    version   bigint NOT NULL,
    updated   bigint NOT NULL,
    PRIMARY KEY (user_id, timeline)
);

CREATE TABLE featured_tags (
    id      bigint PRIMARY KEY,
    user_id bigint NOT NULL,
    name    text COLLATE "C" NOT NULL,
    UNIQUE (user_id, name)
);
CREATE INDEX featured_tags_user ON featured_tags (user_id, id);

CREATE TABLE mentions (
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    user_id   bigint NOT NULL,
    PRIMARY KEY (status_id, user_id)
);
CREATE INDEX mentions_user ON mentions (user_id, status_id);

CREATE TABLE tags (
    id   bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE status_tags (
    tag_id     bigint NOT NULL REFERENCES tags (id),
    status_id  bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    visibility bigint NOT NULL,
    PRIMARY KEY (tag_id, status_id)
);
CREATE INDEX status_tags_status ON status_tags (status_id, tag_id);
CREATE INDEX status_tags_public ON status_tags (tag_id, status_id) WHERE visibility = 1;

CREATE TABLE tag_follows (
    id      bigint PRIMARY KEY,
    user_id bigint NOT NULL,
    tag_id  bigint NOT NULL REFERENCES tags (id),
    UNIQUE (user_id, tag_id)
);
CREATE INDEX tag_follows_user ON tag_follows (user_id, id);
CREATE INDEX tag_follows_tag ON tag_follows (tag_id);

CREATE TABLE marks (
    id        bigint PRIMARY KEY,
    kind      bigint NOT NULL,
    user_id   bigint NOT NULL,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    UNIQUE (status_id, kind, user_id)
);
CREATE INDEX marks_user ON marks (user_id, kind, id);
CREATE INDEX marks_status ON marks (status_id, kind, id);

CREATE TABLE thread_mutes (
    user_id   bigint NOT NULL,
    thread_id bigint NOT NULL,
    PRIMARY KEY (user_id, thread_id)
);

CREATE TABLE conversations (
    id        bigint PRIMARY KEY,
    user_id   bigint NOT NULL,
    thread_id bigint NOT NULL,
    last_id   bigint NOT NULL,
    unread    bigint NOT NULL,
    UNIQUE (user_id, thread_id)
);
CREATE INDEX conversations_last ON conversations (user_id, last_id);
CREATE INDEX conversations_thread ON conversations (thread_id);

CREATE TABLE notices (
    id        bigint PRIMARY KEY,
    user_id   bigint NOT NULL,
    kind      text COLLATE "C" NOT NULL,
    actor_id  bigint NOT NULL,
    status_id bigint REFERENCES statuses (id) ON DELETE CASCADE
);
CREATE INDEX notices_user ON notices (user_id, id);
CREATE INDEX notices_actor ON notices (actor_id, user_id, kind);
CREATE INDEX notices_status ON notices (status_id, user_id, kind, actor_id) WHERE status_id IS NOT NULL;

CREATE TABLE versions (
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    at        bigint NOT NULL,
    text      text COLLATE "C" NOT NULL,
    spoiler   text COLLATE "C" NOT NULL,
    sensitive bigint NOT NULL,
    media     text COLLATE "C" NOT NULL,
    PRIMARY KEY (status_id, at)
);

-- The words of posts, without case and accents, as the program makes them.
CREATE TABLE words (
    rowid bigint PRIMARY KEY, -- of the post
    text  tsvector NOT NULL
);
CREATE INDEX words_text ON words USING gin (text);

CREATE TABLE uploads (
    id          bigint PRIMARY KEY,
    owner_id    bigint NOT NULL,
    length      bigint NOT NULL,
    "offset"    bigint NOT NULL,
    metadata    text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    focus_x     double precision NOT NULL,
    focus_y     double precision NOT NULL,
    expires     bigint NOT NULL,
    media_id    bigint REFERENCES media (id) ON DELETE SET NULL
);
CREATE INDEX uploads_owner ON uploads (owner_id);
CREATE INDEX uploads_expires ON uploads (expires);
CREATE INDEX uploads_media ON uploads (media_id) WHERE media_id IS NOT NULL;

CREATE TABLE upload_parts (
    upload_id bigint NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    at        bigint NOT NULL,
    hash      text COLLATE "C" NOT NULL,
    bytes     bigint NOT NULL,
    PRIMARY KEY (upload_id, at)
);
CREATE INDEX upload_parts_hash ON upload_parts (hash);

CREATE TABLE stories (
    id         bigint PRIMARY KEY,
    owner_id   bigint NOT NULL,
    media_id   bigint NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    visibility bigint NOT NULL,
    caption    text COLLATE "C" NOT NULL,
    expires    bigint NOT NULL
);
CREATE INDEX stories_owner ON stories (owner_id, id);
CREATE INDEX stories_expires ON stories (expires);
CREATE INDEX stories_media ON stories (media_id);

CREATE TABLE story_views (
    story_id bigint NOT NULL REFERENCES stories (id) ON DELETE CASCADE,
    user_id  bigint NOT NULL,
    seen_at  bigint NOT NULL,
    PRIMARY KEY (story_id, user_id)
);
CREATE INDEX story_views_user ON story_views (user_id);

CREATE TABLE albums (
    id          bigint PRIMARY KEY,
    owner_id    bigint NOT NULL,
    title       text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    visibility  bigint NOT NULL
);
CREATE INDEX albums_owner ON albums (owner_id, id);

CREATE TABLE album_items (
    album_id  bigint NOT NULL REFERENCES albums (id) ON DELETE CASCADE,
    status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE,
    position  bigint NOT NULL,
    PRIMARY KEY (album_id, status_id)
);
CREATE INDEX album_items_status ON album_items (status_id);

CREATE TABLE reports (
    id          bigint PRIMARY KEY,
    reporter_id bigint NOT NULL,
    target_id   bigint NOT NULL,
    category    text COLLATE "C" NOT NULL,
    comment     text COLLATE "C" NOT NULL,
    statuses    text COLLATE "C" NOT NULL,
    action      text COLLATE "C" NOT NULL DEFAULT '',
    resolved_by bigint,
    resolved_at bigint
);
CREATE INDEX reports_open ON reports (id) WHERE resolved_at IS NULL;
CREATE INDEX reports_reporter ON reports (reporter_id);
CREATE INDEX reports_target ON reports (target_id);
