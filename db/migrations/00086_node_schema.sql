-- expand
-- The schema that the binary of a node knows, by which stoa migrate --finish tells older nodes from others.
-- Nodes from before this column say 0.
ALTER TABLE cluster_node ADD COLUMN schema_number BIGINT NOT NULL DEFAULT 0;
