-- What SQLite has after its third migration, column by column: portico migrate
-- copies rows as they are. Times are Unix milliseconds, booleans 0 and 1, and text
-- compares bytewise.

CREATE TABLE "user" (
  id             bigint PRIMARY KEY,
  username       text   COLLATE "C" NOT NULL UNIQUE, -- stays when the user is deleted: never given again
  name           text   COLLATE "C" NOT NULL,
  folded         text   COLLATE "C" NOT NULL,        -- name in lower case, for the search
  about          text   COLLATE "C" NOT NULL,
  role           text   COLLATE "C" NOT NULL,
  hash           text   COLLATE "C" NOT NULL,        -- of the password; PHC string
  suspended      bigint NOT NULL DEFAULT 0,
  deleted_at     bigint,
  created_at     bigint NOT NULL,
  avatar         text   COLLATE "C" NOT NULL DEFAULT '', -- a blob of the service beside it
  avatar_service text   COLLATE "C" NOT NULL DEFAULT '',
  last_seen      text   COLLATE "C" NOT NULL DEFAULT 'everyone',
  receipts       bigint NOT NULL DEFAULT 1,
  generation     bigint NOT NULL DEFAULT 1               -- grows when all sessions are ended
);

CREATE TABLE session (
  id         text   COLLATE "C" PRIMARY KEY,
  token      bytea  NOT NULL UNIQUE, -- SHA-256
  user_id    bigint NOT NULL,        -- 0: an app without a user
  service    text   COLLATE "C" NOT NULL,
  device     text   COLLATE "C" NOT NULL,
  scopes     text   COLLATE "C" NOT NULL,
  app_id     bigint NOT NULL,        -- 0: none
  created_at bigint NOT NULL,
  seen_at    bigint NOT NULL
);
CREATE INDEX session_owner ON session (user_id, service, app_id, seen_at);
CREATE INDEX session_app ON session (app_id) WHERE app_id <> 0;

CREATE TABLE invite (
  code       bytea  PRIMARY KEY,     -- SHA-256
  uses       bigint NOT NULL,        -- left
  expires_at bigint                  -- NULL: never
);

CREATE TABLE app (
  id            bigint PRIMARY KEY,
  service       text   COLLATE "C" NOT NULL,
  client_id     text   COLLATE "C" NOT NULL UNIQUE,
  secret        bytea  NOT NULL,     -- SHA-256
  name          text   COLLATE "C" NOT NULL,
  website       text   COLLATE "C" NOT NULL,
  redirect_uris text   COLLATE "C" NOT NULL, -- JSON array
  scopes        text   COLLATE "C" NOT NULL,
  created_at    bigint NOT NULL
);
CREATE INDEX app_service ON app (service, id);

CREATE TABLE block (
  id       bigint PRIMARY KEY,
  user_id  bigint NOT NULL,
  other_id bigint NOT NULL,
  at       bigint NOT NULL,
  UNIQUE (user_id, other_id)
);
CREATE INDEX block_user ON block (user_id, id);
CREATE INDEX block_other ON block (other_id, user_id);

CREATE TABLE code (
  code         bytea  PRIMARY KEY,   -- SHA-256
  user_id      bigint NOT NULL,
  app_id       bigint NOT NULL,
  service      text   COLLATE "C" NOT NULL,
  scopes       text   COLLATE "C" NOT NULL,
  redirect_uri text   COLLATE "C" NOT NULL,
  challenge    text   COLLATE "C" NOT NULL,
  generation   bigint NOT NULL,      -- of the user, when the code was made
  session_id   text   COLLATE "C",   -- that was made from it; NULL: not used
  created_at   bigint NOT NULL
);
CREATE INDEX code_user ON code (user_id, created_at);
CREATE INDEX code_age ON code (created_at);
CREATE INDEX code_app ON code (app_id);

CREATE TABLE follower (
  service text   COLLATE "C" PRIMARY KEY,
  cursor  bigint NOT NULL            -- it has acted on the changes up to here
);

-- The log of changes. The key keeps it small: the last of a kind replaces the
-- one before, and takes a new position.
CREATE TABLE change (
  seq        bigint PRIMARY KEY,
  kind       text   COLLATE "C" NOT NULL,
  user_id    bigint NOT NULL,
  other_id   bigint NOT NULL,        -- 0: none
  session_id text   COLLATE "C" NOT NULL,
  service    text   COLLATE "C" NOT NULL,
  at         bigint NOT NULL,
  UNIQUE (user_id, kind, session_id, other_id)
);
CREATE INDEX change_session ON change (at) WHERE kind = 'session';
CREATE INDEX change_deleted ON change (seq) WHERE kind = 'deleted';
CREATE INDEX change_other ON change (other_id) WHERE other_id <> 0;

-- Numbers by name: the last positions that were given, whether their entries are
-- still there or not, and what tells this store from others.
CREATE TABLE number (
  name  text   COLLATE "C" PRIMARY KEY,
  value bigint NOT NULL
);
INSERT INTO number VALUES ('change', 0), ('block', 0), ('store', floor(random() * 9e15)::bigint);
