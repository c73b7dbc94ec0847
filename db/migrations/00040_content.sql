-- expand
-- Articles: the row is what is the same in all versions; texts belong to versions. What visitors see
-- is the version named by live, 0 when there is none; pending is the one that publish_at will show.
CREATE TABLE content_article (
  id BIGINT NOT NULL PRIMARY KEY,
  instance BIGINT NOT NULL,
  site BIGINT NOT NULL,
  slug VARCHAR(190) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  status VARCHAR(20) NOT NULL,
  author BIGINT NOT NULL,
  author_name VARCHAR(190) NOT NULL,
  published BIGINT NOT NULL,
  publish_at BIGINT NOT NULL,
  expire_at BIGINT NOT NULL,
  sticky BOOLEAN NOT NULL,
  password VARCHAR(190) NOT NULL,
  titles {{text}} NOT NULL,
  created BIGINT NOT NULL,
  modified BIGINT NOT NULL,
  modified_by BIGINT NOT NULL,
  number INTEGER NOT NULL,
  live INTEGER NOT NULL,
  pending INTEGER NOT NULL,
  version BIGINT NOT NULL,
  UNIQUE (site, slug)
){{table}};
CREATE INDEX content_article_live ON content_article (site, live, published);
CREATE INDEX content_article_modified ON content_article (site, modified);
CREATE INDEX content_article_publish ON content_article (status, publish_at);
CREATE INDEX content_article_expire ON content_article (expire_at);

CREATE TABLE content_version (
  article BIGINT NOT NULL,
  number INTEGER NOT NULL,
  default_locale VARCHAR(20) NOT NULL,
  image VARCHAR(190) NOT NULL,
  made BIGINT NOT NULL,
  made_by BIGINT NOT NULL,
  made_by_name VARCHAR(190) NOT NULL,
  note VARCHAR(500) NOT NULL,
  PRIMARY KEY (article, number)
){{table}};

CREATE TABLE content_text (
  article BIGINT NOT NULL,
  number INTEGER NOT NULL,
  locale VARCHAR(20) NOT NULL,
  title VARCHAR(500) NOT NULL,
  summary {{text}} NOT NULL,
  teaser {{text}} NOT NULL,
  body {{text}} NOT NULL,
  PRIMARY KEY (article, number, locale)
){{table}};
