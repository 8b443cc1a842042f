-- oldest: 1
-- What those who listen are told of, at any node, for a minute. It is not moved to
-- another engine. There is always a row: that which a reader read last, as long as
-- nothing after it is gone.
CREATE TABLE events (
    id   bigint PRIMARY KEY, -- in the order of the commits
    data bytea NOT NULL
);
INSERT INTO events (id, data) VALUES (0, '[]');
-- The table messages is not used any more; it goes when no older program runs.
