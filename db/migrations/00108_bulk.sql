-- expand
-- Bulk actions: something that a person has asked to be done with many things. The list of things is frozen when they
-- ask, in portions: each is worked through in one transaction, which also moves place on, counts, and removes the row
-- of the portion, so that what is done and what is written down of it are never apart.
CREATE TABLE bulk_action (
  id BIGINT NOT NULL PRIMARY KEY,
  instance BIGINT NOT NULL,
  site BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  person BIGINT NOT NULL,
  person_name VARCHAR(190) NOT NULL,
  state VARCHAR(20) NOT NULL,
  total INTEGER NOT NULL,
  worked INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  place INTEGER NOT NULL,
  made BIGINT NOT NULL,
  ended BIGINT NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE INDEX bulk_action_state ON bulk_action (state, made);

CREATE INDEX bulk_action_person ON bulk_action (person, made);

CREATE INDEX bulk_action_instance ON bulk_action (instance, made);

CREATE INDEX bulk_action_ended ON bulk_action (ended);

-- things are the kind and the number of each, as "article-12 file-7".
CREATE TABLE bulk_portion (
  action BIGINT NOT NULL,
  n INTEGER NOT NULL,
  things {{text}} NOT NULL,
  PRIMARY KEY (action, n)
){{table}};

-- What could not be done, and the sentence that says why, to be said in the language of the reader.
CREATE TABLE bulk_refusal (
  action BIGINT NOT NULL,
  n INTEGER NOT NULL,
  kind VARCHAR(40) NOT NULL,
  thing BIGINT NOT NULL,
  reason {{text}} NOT NULL,
  PRIMARY KEY (action, n)
){{table}};
