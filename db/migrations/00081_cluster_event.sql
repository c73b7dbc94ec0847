-- expand
-- What happened to the cluster and stays until it has been read. mark is the same for equal events of one minute,
-- which are one row with a count; until_at is when the newest of them was. read_at is 0 until it has been read.
CREATE TABLE cluster_event (
  id BIGINT NOT NULL PRIMARY KEY,
  mark VARCHAR(64) NOT NULL,
  code VARCHAR(60) NOT NULL,
  severity VARCHAR(20) NOT NULL,
  at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  times BIGINT NOT NULL,
  node VARCHAR(120) NOT NULL,
  text {{text}} NOT NULL,
  mend {{text}} NOT NULL,
  data {{text}} NOT NULL,
  read_at BIGINT NOT NULL,
  read_by VARCHAR(190) NOT NULL
){{table}};

CREATE UNIQUE INDEX cluster_event_mark ON cluster_event (mark);

CREATE INDEX cluster_event_read ON cluster_event (read_at, until_at);
