-- expand
-- Which asset refers to which. part is the version of the text (or another part of the owner's choice) that the
-- reference stands in. broken: it leads to nothing, because that was deleted or is in the recycle bin, or because there
-- never was anything at the address (then to_id is 0).
CREATE TABLE asset_link (
  kind VARCHAR(40) NOT NULL,
  id BIGINT NOT NULL,
  part INTEGER NOT NULL,
  place INTEGER NOT NULL,
  site BIGINT NOT NULL,
  to_kind VARCHAR(40) NOT NULL,
  to_id BIGINT NOT NULL,
  address VARCHAR(500) NOT NULL,
  broken BOOLEAN NOT NULL,
  PRIMARY KEY (kind, id, part, place)
){{table}};

CREATE INDEX asset_link_to ON asset_link (to_kind, to_id, kind, id);
CREATE INDEX asset_link_broken ON asset_link (site, broken, kind, id);
