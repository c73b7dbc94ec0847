-- expand
-- Who did what, from where and how it ended. Rows are in the order of time and are never changed, but for those
-- that are counted: equal ones of one minute are one row, whose at is the begin of the minute, whose id is made of
-- what they have in common, and whose until_at is when the newest of them was. actor is 0 for guests and for the
-- portal itself; who_is tells them apart. who_words and words are what is searched, in small letters.
CREATE TABLE audit_event (
  at BIGINT NOT NULL,
  id BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  times BIGINT NOT NULL,
  instance BIGINT NOT NULL,
  actor BIGINT NOT NULL,
  who_is VARCHAR(20) NOT NULL,
  who VARCHAR(190) NOT NULL,
  origin VARCHAR(60) NOT NULL,
  outcome VARCHAR(20) NOT NULL,
  action VARCHAR(60) NOT NULL,
  kind VARCHAR(60) NOT NULL,
  thing BIGINT NOT NULL,
  title VARCHAR(190) NOT NULL,
  details {{text}} NOT NULL,
  node VARCHAR(120) NOT NULL,
  request VARCHAR(60) NOT NULL,
  who_words VARCHAR(190) NOT NULL,
  words {{text}} NOT NULL,
  PRIMARY KEY (at, id)
){{table}};

CREATE INDEX audit_event_instance ON audit_event (instance, at);

CREATE INDEX audit_event_actor ON audit_event (actor, at);

CREATE INDEX audit_event_thing ON audit_event (thing, at);
