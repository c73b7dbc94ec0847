-- expand
-- What is scheduled, by its time, for the calendar of a site; and lists of one form, such as all pictures.
CREATE INDEX asset_entry_publish ON asset_entry (site, publish, id);
CREATE INDEX asset_entry_expire ON asset_entry (site, expire, id);
CREATE INDEX asset_entry_form ON asset_entry (site, kind, form, id);
