-- expand
-- Followers of the change log. version is raised by each transaction that moves one, and compared: a node that read an
-- older one moves nothing. incarnation and history name the history of the database at the newest move.
CREATE TABLE follow_follower (
  name VARCHAR(120) NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL,
  incarnation BIGINT NOT NULL,
  history VARCHAR(60) NOT NULL,
  writer BIGINT NOT NULL,
  moved BIGINT NOT NULL,
  done BIGINT NOT NULL,
  stuck BIGINT NOT NULL,
  message {{text}} NOT NULL
){{table}};

-- What a follower still has to do beside the log: things that failed (failed: no more tries), and scopes to be looked
-- at again, in portions (thing 0; progress is where the next one begins; anew: from the start once it is at its end).
CREATE TABLE follow_task (
  name VARCHAR(120) NOT NULL,
  kind VARCHAR(60) NOT NULL,
  thing BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  version BIGINT NOT NULL,
  writer BIGINT NOT NULL,
  n BIGINT NOT NULL,
  part INTEGER NOT NULL,
  reason VARCHAR(20) NOT NULL,
  progress {{text}} NOT NULL,
  anew BOOLEAN NOT NULL,
  tries INTEGER NOT NULL,
  due BIGINT NOT NULL,
  failed BOOLEAN NOT NULL,
  since BIGINT NOT NULL,
  message {{text}} NOT NULL,
  PRIMARY KEY (name, kind, thing, scope)
){{table}};

CREATE INDEX follow_task_due ON follow_task (name, failed, due);
