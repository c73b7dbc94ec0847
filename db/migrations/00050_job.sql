-- expand
-- Jobs: when the scheduled ones are due next, and every run there was or will be.

CREATE TABLE job_schedule (
  name VARCHAR(120) NOT NULL PRIMARY KEY,
  spec VARCHAR(120) NOT NULL,
  next_fire BIGINT NOT NULL,
  last_fire BIGINT NOT NULL,
  version BIGINT NOT NULL
){{table}};

-- A fire time is one row for ever (job, fire, run_key): scheduled runs have an empty key, queued ones
-- have fire 0. claim counts the claims: what a run writes is committed only while its claim stands.
CREATE TABLE job_run (
  id BIGINT NOT NULL PRIMARY KEY,
  job VARCHAR(120) NOT NULL,
  fire BIGINT NOT NULL,
  run_key VARCHAR(190) NOT NULL,
  payload {{blob}} NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempt INTEGER NOT NULL,
  due BIGINT NOT NULL,
  owner BIGINT NOT NULL,
  claim BIGINT NOT NULL,
  started BIGINT NOT NULL,
  ended BIGINT NOT NULL,
  message {{text}} NOT NULL
){{table}};

CREATE UNIQUE INDEX job_run_fire ON job_run (job, fire, run_key);
CREATE INDEX job_run_due ON job_run (state, due);
