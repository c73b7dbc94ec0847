-- expand
-- What a follower is done with depends on what it followed: kinds are those since its newest start, with blanks between
-- ("*": all; NULL: not known). place is, of one that keeps its place itself, how far the log was dealt with when its list
-- was written last: it goes on from there when a fail-over took newer lines of the list away.
ALTER TABLE follow_follower ADD COLUMN kinds {{text}};
ALTER TABLE follow_follower ADD COLUMN place {{text}};

-- Tells changes of a thing that are told as one from each of them; 0: it is one.
ALTER TABLE follow_task ADD COLUMN joined BIGINT NOT NULL DEFAULT 0;

-- Finds references to a thing that are marked wrongly among very many that are not.
CREATE INDEX asset_link_mark ON asset_link (to_kind, to_id, broken, kind, id);
