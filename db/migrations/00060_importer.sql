-- expand
-- What became of each item of an import, so that a second run changes nothing and a run that was cut
-- off goes on where it stopped.
CREATE TABLE importer_item (
  site BIGINT NOT NULL,
  source VARCHAR(190) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  source_key VARCHAR(190) NOT NULL,
  thing BIGINT NOT NULL,
  PRIMARY KEY (site, source, kind, source_key)
){{table}};
