-- expand
-- Pages of a site, their earlier published layouts, menus and old addresses.
-- path_hash is the SHA-256 of path in hex: addresses are longer than what an index can hold.
CREATE TABLE page_page (
  id BIGINT NOT NULL PRIMARY KEY,
  site BIGINT NOT NULL,
  parent BIGINT NOT NULL,
  slug VARCHAR(190) NOT NULL,
  path {{text}} NOT NULL,
  path_hash VARCHAR(64) NOT NULL,
  title {{text}} NOT NULL,
  place INTEGER NOT NULL,
  hidden BOOLEAN NOT NULL,
  page_type VARCHAR(20) NOT NULL,
  target {{text}} NOT NULL,
  layout {{text}} NOT NULL,
  draft {{text}} NOT NULL,
  published BOOLEAN NOT NULL,
  restricted BOOLEAN NOT NULL,
  password VARCHAR(190) NOT NULL,
  seo {{text}} NOT NULL,
  template VARCHAR(60) NOT NULL,
  created BIGINT NOT NULL,
  modified BIGINT NOT NULL,
  modified_by BIGINT NOT NULL,
  live_number INTEGER NOT NULL,
  version BIGINT NOT NULL,
  draft_version BIGINT NOT NULL
){{table}};

CREATE UNIQUE INDEX page_page_path ON page_page (site, path_hash);
CREATE INDEX page_page_parent ON page_page (site, parent);

-- One row per site: whoever changes the shape of the tree updates it first and so waits for others.
CREATE TABLE page_tree (
  site BIGINT NOT NULL PRIMARY KEY,
  touched BIGINT NOT NULL
){{table}};

CREATE TABLE page_version (
  page BIGINT NOT NULL,
  number INTEGER NOT NULL,
  layout {{text}} NOT NULL,
  title {{text}} NOT NULL,
  created BIGINT NOT NULL,
  created_by BIGINT NOT NULL,
  author VARCHAR(190) NOT NULL,
  PRIMARY KEY (page, number)
){{table}};

CREATE TABLE page_menu (
  id BIGINT NOT NULL PRIMARY KEY,
  site BIGINT NOT NULL,
  slug VARCHAR(120) NOT NULL,
  name VARCHAR(190) NOT NULL,
  items {{text}} NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE UNIQUE INDEX page_menu_slug ON page_menu (site, slug);

CREATE TABLE page_redirect (
  id BIGINT NOT NULL PRIMARY KEY,
  site BIGINT NOT NULL,
  source {{text}} NOT NULL,
  source_hash VARCHAR(64) NOT NULL,
  target {{text}} NOT NULL,
  created BIGINT NOT NULL
){{table}};

CREATE UNIQUE INDEX page_redirect_source ON page_redirect (site, source_hash);
