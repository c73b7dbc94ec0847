-- expand
-- Backups, restores and copies: what runs, and in the target of a copy or restore what it became. beat is the
-- time of its last sign of life, by the clock of who runs it.
CREATE TABLE db_transfer (
  id VARCHAR(40) NOT NULL PRIMARY KEY,
  kind VARCHAR(20) NOT NULL,
  state VARCHAR(20) NOT NULL,
  peer VARCHAR(255) NOT NULL,
  started BIGINT NOT NULL,
  beat BIGINT NOT NULL,
  detail {{text}} NOT NULL
){{table}};

-- How far a copy into this database is: the last key of each table that was copied.
CREATE TABLE db_transfer_part (
  transfer VARCHAR(40) NOT NULL,
  name VARCHAR(60) NOT NULL,
  last_key {{text}} NOT NULL,
  copied BIGINT NOT NULL,
  finished BOOLEAN NOT NULL,
  PRIMARY KEY (transfer, name)
){{table}};
