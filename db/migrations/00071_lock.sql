-- expand
-- Locks of things that somebody edits. token names the window that has the lock; beat rises with each
-- sign of life of that window. released_by is the administrator who took the lock away: such a row keeps
-- nobody out and stays only to tell the window. Times are information.
CREATE TABLE lock_held (
  kind VARCHAR(60) NOT NULL,
  thing BIGINT NOT NULL,
  instance BIGINT NOT NULL,
  site BIGINT NOT NULL,
  title VARCHAR(190) NOT NULL,
  owner BIGINT NOT NULL,
  owner_name VARCHAR(190) NOT NULL,
  token VARCHAR(40) NOT NULL,
  beat BIGINT NOT NULL,
  taken BIGINT NOT NULL,
  renewed BIGINT NOT NULL,
  released_by VARCHAR(190) NOT NULL,
  PRIMARY KEY (kind, thing)
){{table}};
