-- expand
-- How a grant of a role on a thing stands: raised by each change, and kept when the grant is gone, so that a form that
-- was opened before cannot bring it back. Nodes from before this table change access_grant alone; a change therefore
-- asks for the action as well.
CREATE TABLE access_grant_mark (
  kind VARCHAR(60) NOT NULL,
  thing BIGINT NOT NULL,
  role BIGINT NOT NULL,
  version BIGINT NOT NULL,
  action INTEGER NOT NULL,
  changed BIGINT NOT NULL,
  changed_by BIGINT NOT NULL,
  changed_by_name VARCHAR(190) NOT NULL,
  PRIMARY KEY (kind, thing, role)
){{table}};

CREATE INDEX access_grant_mark_role ON access_grant_mark (role);

-- Folders of files, whose grants reach the files in them. Files from before are in none (0) and public as they were.
CREATE TABLE document_folder (
  id BIGINT NOT NULL PRIMARY KEY,
  site BIGINT NOT NULL,
  parent BIGINT NOT NULL,
  name VARCHAR(190) NOT NULL,
  restricted BOOLEAN NOT NULL,
  created BIGINT NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE INDEX document_folder_site ON document_folder (site, parent);

ALTER TABLE document_file ADD COLUMN folder BIGINT NOT NULL DEFAULT 0;

ALTER TABLE document_file ADD COLUMN restricted BOOLEAN NOT NULL DEFAULT FALSE;

CREATE INDEX document_file_folder ON document_file (folder);
