-- expand
-- What has no entry among the content (menus, roles) has its title here, and what belongs to a whole instance has the
-- site 0. The binary from before writes neither.
ALTER TABLE asset_trash ADD COLUMN title VARCHAR(190) NOT NULL DEFAULT '';

CREATE INDEX asset_trash_instance ON asset_trash (instance, site, root, trashed, id);

-- What is old is found in its order.
CREATE INDEX asset_trash_old ON asset_trash (trashed, id);

-- Which things carry a category or tag that is in the recycle bin: taken out of taxonomy_assigned, where the binary from
-- before would show them, and put back with the term.
CREATE TABLE taxonomy_trashed (
  kind VARCHAR(40) NOT NULL,
  thing BIGINT NOT NULL,
  term_kind VARCHAR(20) NOT NULL,
  term BIGINT NOT NULL,
  site BIGINT NOT NULL,
  PRIMARY KEY (kind, thing, term_kind, term)
){{table}};

CREATE INDEX taxonomy_trashed_term ON taxonomy_trashed (term);

-- Who held a role before the role, or the user group that held it, came into the recycle bin: cause is which of them.
CREATE TABLE access_trashed (
  holder BIGINT NOT NULL,
  role BIGINT NOT NULL,
  cause BIGINT NOT NULL,
  PRIMARY KEY (holder, role)
){{table}};

CREATE INDEX access_trashed_cause ON access_trashed (cause);
CREATE INDEX access_trashed_role ON access_trashed (role);

-- The categories below one.
CREATE INDEX taxonomy_category_parent ON taxonomy_category (site, parent);
