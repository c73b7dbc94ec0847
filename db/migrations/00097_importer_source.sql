-- expand
-- What the files of an old site said of each item and term, as JSON, so that a site that comes in several files, in
-- any order, ends as it would have from one: a later file is read together with what is here.
CREATE TABLE importer_source (
  site BIGINT NOT NULL,
  source VARCHAR(190) NOT NULL,
  kind VARCHAR(40) NOT NULL,
  source_key VARCHAR(190) NOT NULL,
  body {{text}} NOT NULL,
  PRIMARY KEY (site, source, kind, source_key)
){{table}};
