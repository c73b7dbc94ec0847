-- expand
-- What all kinds of content have in common, one row a thing, written in the transaction of its owner's row; id and
-- version are the owner's. Owners keep their rows: everything here can be made again from those.
-- title_key orders by title as people do and words is what the title is found by, both without a collation of the
-- database. Lists are read along the first three indexes, or look up what the others find; a save changes one of them.
CREATE TABLE asset_entry (
  kind VARCHAR(40) NOT NULL,
  id BIGINT NOT NULL,
  instance BIGINT NOT NULL,
  site BIGINT NOT NULL,
  parent BIGINT NOT NULL,
  form VARCHAR(120) NOT NULL,
  status VARCHAR(20) NOT NULL,
  shown BOOLEAN NOT NULL,
  restricted BOOLEAN NOT NULL,
  locale VARCHAR(20) NOT NULL,
  titles {{text}} NOT NULL,
  title_key {{key}} NOT NULL,
  words {{text}} NOT NULL,
  owner BIGINT NOT NULL,
  created BIGINT NOT NULL,
  modified BIGINT NOT NULL,
  publish BIGINT NOT NULL,
  expire BIGINT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (kind, id)
){{table}};

CREATE INDEX asset_entry_modified ON asset_entry (site, kind, modified, id);
CREATE INDEX asset_entry_created ON asset_entry (site, kind, created, id);
CREATE INDEX asset_entry_title ON asset_entry (site, kind, title_key, id);
CREATE INDEX asset_entry_status ON asset_entry (site, kind, status, id);
CREATE INDEX asset_entry_owner ON asset_entry (site, kind, owner, status, id);

-- The words of the titles, for those who type the beginnings of some.
CREATE TABLE asset_word (
  kind VARCHAR(40) NOT NULL,
  id BIGINT NOT NULL,
  place INTEGER NOT NULL,
  site BIGINT NOT NULL,
  word {{key}} NOT NULL,
  PRIMARY KEY (kind, id, place)
){{table}};

CREATE INDEX asset_word_found ON asset_word (site, kind, word, id);

-- How far the entries of a kind were compared with the rows of its owner. ready: they were all, once, since only
-- nodes run that write entries themselves.
CREATE TABLE asset_fill (
  kind VARCHAR(40) NOT NULL PRIMARY KEY,
  last BIGINT NOT NULL,
  sure BOOLEAN NOT NULL,
  ready BOOLEAN NOT NULL,
  passes BIGINT NOT NULL,
  compared BIGINT NOT NULL,
  mended BIGINT NOT NULL,
  touched BIGINT NOT NULL
){{table}};
