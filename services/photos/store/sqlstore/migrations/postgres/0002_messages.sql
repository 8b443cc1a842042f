-- oldest: 1
-- What nodes without a bus tell one another. It is not moved to another engine.
CREATE TABLE messages (
    id   bigint PRIMARY KEY, -- in the order of the commits
    node text COLLATE "C" NOT NULL,
    data bytea NOT NULL
);
