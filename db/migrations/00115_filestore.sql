-- expand
-- The file store in the database (dl.store.impl=com.liferay.portal.store.db.DBStore). Only a file with a row in
-- file_head exists; its chunks are found by the random number of the put that wrote them, so that two writers of one
-- key never share one.
CREATE TABLE file_store (
  id INTEGER NOT NULL PRIMARY KEY,
  identity VARCHAR(200) NOT NULL
){{table}};

CREATE TABLE file_head (
  file_key {{key}} NOT NULL,
  put BIGINT NOT NULL,
  size BIGINT NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  modified BIGINT NOT NULL,
  PRIMARY KEY (file_key)
){{table}};

CREATE TABLE file_chunk (
  put BIGINT NOT NULL,
  number BIGINT NOT NULL,
  size INTEGER NOT NULL,
  body {{blob}} NOT NULL,
  PRIMARY KEY (put, number)
){{table}};

-- Puts whose chunks belong to no file: those under way, those that broke off, and those of files that were deleted.
CREATE TABLE file_upload (
  put BIGINT NOT NULL PRIMARY KEY,
  begun BIGINT NOT NULL
){{table}};

CREATE INDEX file_upload_begun ON file_upload (begun);
