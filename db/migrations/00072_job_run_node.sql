-- expand
-- The name of the node that has, or had, the run: it outlives the node's own row.
ALTER TABLE job_run ADD COLUMN node VARCHAR(120) NOT NULL DEFAULT '';
