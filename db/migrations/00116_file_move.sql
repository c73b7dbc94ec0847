-- expand
-- A move of the files to another store while nodes run; cluster_fact names the store that is in force. version is
-- raised by each change of the phase, epoch by those after which new files go to another store than before. source and
-- target are identities. place is the key up to which all was copied.
CREATE TABLE file_move (
  id INTEGER NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  phase VARCHAR(20) NOT NULL,
  source VARCHAR(200) NOT NULL,
  source_place VARCHAR(400) NOT NULL,
  target VARCHAR(200) NOT NULL,
  target_place VARCHAR(400) NOT NULL,
  place VARCHAR(250) NOT NULL,
  files BIGINT NOT NULL,
  size BIGINT NOT NULL,
  total BIGINT NOT NULL,
  damaged BIGINT NOT NULL,
  missing BIGINT NOT NULL,
  begun BIGINT NOT NULL,
  ended BIGINT NOT NULL,
  trouble VARCHAR(400) NOT NULL
){{table}};

INSERT INTO file_move (id, version, epoch, phase, source, source_place, target, target_place, place, files, size, total,
  damaged, missing, begun, ended, trouble)
  VALUES (1, 1, 1, 'none', '', '', '', '', '', 0, 0, 0, 0, 0, 0, 0, '');

-- The epoch once more, in rows of which a transaction that names new bytes writes one: so none that was begun in an
-- epoch commits in the next one, on Galera neither, where locks of other nodes count for nothing. They are many so that
-- uploads hardly ever wait for each other.
CREATE TABLE file_epoch (
  slot INTEGER NOT NULL PRIMARY KEY,
  epoch BIGINT NOT NULL,
  named BIGINT NOT NULL
){{table}};

INSERT INTO file_epoch (slot, epoch, named) VALUES
  (0, 1, 0), (1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 0), (5, 1, 0), (6, 1, 0), (7, 1, 0),
  (8, 1, 0), (9, 1, 0), (10, 1, 0), (11, 1, 0), (12, 1, 0), (13, 1, 0), (14, 1, 0), (15, 1, 0);
