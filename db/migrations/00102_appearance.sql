-- expand
-- How a site looks, as JSON; NULL is the theme as it comes.
ALTER TABLE site_site ADD COLUMN appearance {{text}};
