-- expand
-- Bytes in the file store that no file refers to any more, by the key of the file that they belonged to, and since
-- when that is known: they are deleted only some days later, so that a database that was restored finds them.
CREATE TABLE document_orphan (
  file_key VARCHAR(64) NOT NULL PRIMARY KEY,
  size BIGINT NOT NULL,
  found BIGINT NOT NULL
){{table}};

CREATE INDEX document_orphan_found ON document_orphan (found);
