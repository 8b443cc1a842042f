-- Numbers by name, as PostgreSQL has them too: the last positions that were
-- given, whether their entries are still there or not, and what tells this store
-- from others.
CREATE TABLE number (
  name  TEXT    PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;
INSERT INTO number VALUES
  ('change', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'change'), 0)),
  ('block', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'block'), 0)),
  ('store', abs(random() % 9000000000000000));
