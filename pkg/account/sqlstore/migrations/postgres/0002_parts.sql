-- oldest: 1
-- What the names of users have from each of their letters on, as far as 24 letters, so
-- that a search for what a name holds need not read them all. A trigger keeps it, for
-- programs that do not know of it too. It is not moved to another engine.
CREATE TABLE user_part (
  part    text   COLLATE "C" NOT NULL,
  user_id bigint NOT NULL,
  PRIMARY KEY (part, user_id)
);
CREATE INDEX user_part_user ON user_part (user_id);

CREATE FUNCTION user_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.folded = NEW.folded THEN
      RETURN NULL;
    END IF;
    EXECUTE format('DELETE FROM %I.user_part WHERE user_id = $1', TG_TABLE_SCHEMA) USING NEW.id;
  END IF;
  EXECUTE format('INSERT INTO %I.user_part (part, user_id)
    SELECT DISTINCT substr($1, i, 24), $2 FROM generate_series(1, length($1)) i', TG_TABLE_SCHEMA) USING NEW.folded, NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER user_parts AFTER INSERT OR UPDATE OF folded ON "user" FOR EACH ROW EXECUTE FUNCTION user_parts();

INSERT INTO user_part (part, user_id)
  SELECT DISTINCT substr(folded, i, 24), id FROM "user", generate_series(1, length(folded)) i;
