-- expand
-- What is in the recycle bin. The owner's row stays, with 2^62 added to site and instance, so that each query of a
-- site leaves it out, also those of the binary from before; state is what the owner needs to put it back. gone is the
-- hash of the address when visitors had seen something there, else empty. root is the thing that took this one along,
-- and with which it comes back; 0: none.
CREATE TABLE asset_trash (
  kind VARCHAR(40) NOT NULL,
  id BIGINT NOT NULL,
  instance BIGINT NOT NULL,
  site BIGINT NOT NULL,
  root BIGINT NOT NULL,
  address {{text}} NOT NULL,
  gone VARCHAR(64) NOT NULL,
  trashed BIGINT NOT NULL,
  trashed_by BIGINT NOT NULL,
  trashed_by_name VARCHAR(190) NOT NULL,
  state {{text}} NOT NULL,
  PRIMARY KEY (kind, id)
){{table}};

CREATE INDEX asset_trash_site ON asset_trash (site, root, trashed, id);

CREATE INDEX asset_trash_gone ON asset_trash (site, gone);

CREATE INDEX asset_trash_age ON asset_trash (trashed);

CREATE INDEX asset_trash_root ON asset_trash (root, kind);
