-- The greatest id of what was removed: ids grow also after a restart with a clock
-- that was set back, because clients ask for what is newer than what they saw.
CREATE TABLE removed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  INTEGER NOT NULL
) STRICT;
INSERT INTO removed (one, id) VALUES (1, 0);

CREATE TRIGGER statuses_removed AFTER DELETE ON statuses WHEN old.id > (SELECT id FROM removed WHERE one = 1)
BEGIN UPDATE removed SET id = old.id WHERE one = 1; END;
CREATE TRIGGER media_removed AFTER DELETE ON media WHEN old.id > (SELECT id FROM removed WHERE one = 1)
BEGIN UPDATE removed SET id = old.id WHERE one = 1; END;
CREATE TRIGGER notices_removed AFTER DELETE ON notices WHEN old.id > (SELECT id FROM removed WHERE one = 1)
BEGIN UPDATE removed SET id = old.id WHERE one = 1; END;
CREATE TRIGGER marks_removed AFTER DELETE ON marks WHEN old.id > (SELECT id FROM removed WHERE one = 1)
BEGIN UPDATE removed SET id = old.id WHERE one = 1; END;
CREATE TRIGGER stories_removed AFTER DELETE ON stories WHEN old.id > (SELECT id FROM removed WHERE one = 1)
BEGIN UPDATE removed SET id = old.id WHERE one = 1; END;
CREATE TRIGGER uploads_removed AFTER DELETE ON uploads WHEN old.id > (SELECT id FROM removed WHERE one = 1)
BEGIN UPDATE removed SET id = old.id WHERE one = 1; END;
