-- A new title or picture of a group is an event that counts, so that it is found
-- in history beside what was said; the title that one left with stays one's own.

ALTER TABLE members ADD COLUMN left_title TEXT;

CREATE INDEX events_told ON events (conv, seq) WHERE type IN (5, 6);

-- Changes until now have a position but no row of the log: whoever missed one
-- reads anew.
UPDATE log SET epoch = upper(hex(randomblob(8))) WHERE EXISTS (SELECT 1 FROM conversations WHERE changed > 0);
ALTER TABLE conversations DROP COLUMN changed;
