-- expand
-- What people have typed in forms of the control panel and not saved; articles have a table of their own. A row belongs
-- to a window (tab) of one person and is shown to no one else; form is the address of the screen. The save of the
-- window empties the row and closes it, so that a request of the window which comes late does not bring it back.
CREATE TABLE autosave_form (
  person BIGINT NOT NULL,
  tab VARCHAR(40) NOT NULL,
  instance BIGINT NOT NULL,
  form VARCHAR(300) NOT NULL,
  data {{text}} NOT NULL,
  saved BIGINT NOT NULL,
  closed BOOLEAN NOT NULL,
  PRIMARY KEY (person, tab)
){{table}};

CREATE INDEX autosave_form_saved ON autosave_form (saved);
