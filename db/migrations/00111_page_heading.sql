-- expand
-- Whether a page of widgets shows its title as the heading of the page; a widget with one shows it instead.
ALTER TABLE page_page ADD COLUMN hide_title BOOLEAN NOT NULL DEFAULT FALSE;
