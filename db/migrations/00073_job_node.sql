-- expand
-- What each process life tells of its scheduler. Information for people: nothing is decided by it.
CREATE TABLE job_node (
  writer BIGINT NOT NULL PRIMARY KEY,
  node VARCHAR(120) NOT NULL,
  enabled BOOLEAN NOT NULL
){{table}};

-- What each process life tells of the jobs that every node runs by itself.
CREATE TABLE job_local (
  writer BIGINT NOT NULL,
  job VARCHAR(120) NOT NULL,
  next_fire BIGINT NOT NULL,
  started BIGINT NOT NULL,
  ended BIGINT NOT NULL,
  state VARCHAR(20) NOT NULL,
  message {{text}} NOT NULL,
  PRIMARY KEY (writer, job)
){{table}};

-- What people ordered: a job that is paused, and how often every node was asked to run one at once.
-- Without a row a job goes by its schedule.
CREATE TABLE job_order (
  job VARCHAR(120) NOT NULL PRIMARY KEY,
  id BIGINT NOT NULL,
  paused BOOLEAN NOT NULL,
  asked BIGINT NOT NULL,
  by_name VARCHAR(190) NOT NULL,
  at BIGINT NOT NULL,
  version BIGINT NOT NULL
){{table}};
