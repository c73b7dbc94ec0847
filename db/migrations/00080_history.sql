-- expand
-- Which histories the data has been through: a token is a random word that no other history has. Writes are
-- bound to the newest one.
CREATE TABLE db_history (
  number BIGINT NOT NULL PRIMARY KEY,
  token VARCHAR(190) NOT NULL,
  parent VARCHAR(190) NOT NULL,
  fingerprint VARCHAR(255) NOT NULL,
  how VARCHAR(20) NOT NULL,
  at BIGINT NOT NULL
){{table}};

ALTER TABLE db_incarnation ADD COLUMN token VARCHAR(190) NOT NULL DEFAULT '';
