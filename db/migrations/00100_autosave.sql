-- expand
-- What people have typed in the form of an article and not saved. A row belongs to a window (tab) of one person and
-- is shown to no one else; article is 0 for one that is not made yet. The save of the window empties the row and
-- closes it, so that a request of the window which comes late does not bring it back.
CREATE TABLE content_autosave (
  person BIGINT NOT NULL,
  tab VARCHAR(40) NOT NULL,
  instance BIGINT NOT NULL,
  site BIGINT NOT NULL,
  article BIGINT NOT NULL,
  locale VARCHAR(20) NOT NULL,
  version BIGINT NOT NULL,
  title VARCHAR(500) NOT NULL,
  data {{text}} NOT NULL,
  saved BIGINT NOT NULL,
  closed BOOLEAN NOT NULL,
  PRIMARY KEY (person, tab)
){{table}};

CREATE INDEX content_autosave_article ON content_autosave (article);
CREATE INDEX content_autosave_saved ON content_autosave (saved);
