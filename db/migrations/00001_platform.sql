-- expand
-- The tables of the platform: schema numbers, incarnation, ids, nodes, leases, the change log, jobs.
-- Times are microseconds since 1970 UTC. Words in double braces are replaced for each dialect.
CREATE TABLE db_schema (
  id INTEGER NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL,
  oldest BIGINT NOT NULL
){{table}};

CREATE TABLE db_incarnation (
  id INTEGER NOT NULL PRIMARY KEY,
  number BIGINT NOT NULL,
  fingerprint VARCHAR(255) NOT NULL
){{table}};

CREATE TABLE db_counter (
  name VARCHAR(60) NOT NULL PRIMARY KEY,
  next_id BIGINT NOT NULL,
  incarnation BIGINT NOT NULL
){{table}};

INSERT INTO db_counter (name, next_id, incarnation) VALUES ('id', 1000, 1);

-- One row of a transaction's changes; (writer, n, part) is its place for ever.
CREATE TABLE change_log (
  writer BIGINT NOT NULL,
  n BIGINT NOT NULL,
  part INTEGER NOT NULL,
  low BIGINT NOT NULL,
  kind VARCHAR(60) NOT NULL,
  thing BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  version BIGINT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (writer, n, part)
){{table}};

CREATE INDEX change_log_at ON change_log (at);

-- One row per writer (a process life): the numbers below low are settled, the rows below horizon
-- may be pruned. A writer is here before its first row is in change_log.
CREATE TABLE change_writer (
  writer BIGINT NOT NULL PRIMARY KEY,
  low BIGINT NOT NULL,
  horizon BIGINT NOT NULL,
  beat BIGINT NOT NULL,
  seen BIGINT NOT NULL
){{table}};

-- Positions of readers that cannot start over.
CREATE TABLE change_reader (
  name VARCHAR(60) NOT NULL,
  writer BIGINT NOT NULL,
  n BIGINT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (name, writer)
){{table}};

-- One row per process life that ever joined; swept long after its death.
CREATE TABLE cluster_node (
  writer BIGINT NOT NULL PRIMARY KEY,
  node VARCHAR(60) NOT NULL,
  name VARCHAR(120) NOT NULL,
  address VARCHAR(190) NOT NULL,
  host VARCHAR(190) NOT NULL,
  version VARCHAR(60) NOT NULL,
  settings VARCHAR(64) NOT NULL,
  fingerprint VARCHAR(120) NOT NULL,
  state VARCHAR(20) NOT NULL,
  epoch BIGINT NOT NULL,
  beat BIGINT NOT NULL,
  low BIGINT NOT NULL,
  started BIGINT NOT NULL,
  seen BIGINT NOT NULL,
  detail {{text}} NOT NULL
){{table}};

CREATE TABLE cluster_lease (
  name VARCHAR(60) NOT NULL PRIMARY KEY,
  holder BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  beat BIGINT NOT NULL
){{table}};

-- Facts all nodes must agree on, such as the identity of the file store.
CREATE TABLE cluster_fact (
  name VARCHAR(60) NOT NULL PRIMARY KEY,
  value VARCHAR(255) NOT NULL
){{table}};
