-- expand
-- Addresses that categories and tags had before they were given another one or merged; term_kind is category or tag.
CREATE TABLE taxonomy_old (
  site BIGINT NOT NULL,
  term_kind VARCHAR(20) NOT NULL,
  slug VARCHAR(190) NOT NULL,
  term BIGINT NOT NULL,
  PRIMARY KEY (site, term_kind, slug)
){{table}};

CREATE INDEX taxonomy_old_term ON taxonomy_old (term_kind, term);
