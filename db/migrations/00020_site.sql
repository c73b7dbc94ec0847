-- expand
-- Virtual instances, sites and their host names; categories and tags; the files of a site.
CREATE TABLE site_instance (
  id BIGINT NOT NULL PRIMARY KEY,
  web_id VARCHAR(120) NOT NULL UNIQUE,
  name VARCHAR(190) NOT NULL,
  mail_domain VARCHAR(190) NOT NULL,
  locale VARCHAR(20) NOT NULL,
  time_zone VARCHAR(60) NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE TABLE site_site (
  id BIGINT NOT NULL PRIMARY KEY,
  instance BIGINT NOT NULL,
  slug VARCHAR(120) NOT NULL,
  name VARCHAR(190) NOT NULL,
  tagline VARCHAR(500) NOT NULL,
  locale VARCHAR(20) NOT NULL,
  locales VARCHAR(500) NOT NULL,
  home VARCHAR(190) NOT NULL,
  logo VARCHAR(190) NOT NULL,
  favicon VARCHAR(190) NOT NULL,
  footer {{text}} NOT NULL,
  created BIGINT NOT NULL,
  version BIGINT NOT NULL,
  UNIQUE (instance, slug)
){{table}};

CREATE TABLE site_host (
  name VARCHAR(190) NOT NULL PRIMARY KEY,
  instance BIGINT NOT NULL,
  site BIGINT NOT NULL
){{table}};

CREATE TABLE taxonomy_category (
  id BIGINT NOT NULL PRIMARY KEY,
  site BIGINT NOT NULL,
  parent BIGINT NOT NULL,
  slug VARCHAR(190) NOT NULL,
  name VARCHAR(190) NOT NULL,
  description {{text}} NOT NULL,
  version BIGINT NOT NULL,
  UNIQUE (site, slug)
){{table}};

CREATE TABLE taxonomy_tag (
  id BIGINT NOT NULL PRIMARY KEY,
  site BIGINT NOT NULL,
  slug VARCHAR(190) NOT NULL,
  name VARCHAR(190) NOT NULL,
  version BIGINT NOT NULL,
  UNIQUE (site, slug)
){{table}};

-- Which things carry which term; term_kind is category or tag.
CREATE TABLE taxonomy_assigned (
  kind VARCHAR(40) NOT NULL,
  thing BIGINT NOT NULL,
  term_kind VARCHAR(20) NOT NULL,
  term BIGINT NOT NULL,
  site BIGINT NOT NULL,
  PRIMARY KEY (kind, thing, term_kind, term)
){{table}};
CREATE INDEX taxonomy_assigned_term ON taxonomy_assigned (term_kind, term, kind);

CREATE TABLE document_file (
  id BIGINT NOT NULL PRIMARY KEY,
  site BIGINT NOT NULL,
  file_key VARCHAR(64) NOT NULL UNIQUE,
  name VARCHAR(190) NOT NULL,
  type VARCHAR(120) NOT NULL,
  size BIGINT NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  alt VARCHAR(500) NOT NULL,
  hash VARCHAR(64) NOT NULL,
  source VARCHAR(700) NOT NULL,
  created BIGINT NOT NULL,
  created_by BIGINT NOT NULL,
  version BIGINT NOT NULL
){{table}};
CREATE INDEX document_file_site ON document_file (site, created);
