-- expand
-- The default instance, whose administrators operate the installation: marked, so that no instance becomes it by its
-- number. A portal from before this column has made it first.
ALTER TABLE site_instance ADD COLUMN main BOOLEAN NOT NULL DEFAULT false;

UPDATE site_instance SET main = true WHERE id = (SELECT first FROM (SELECT MIN(id) AS first FROM site_instance) x);

-- The instance that the run belongs to; 0 for the whole installation.
ALTER TABLE job_run ADD COLUMN instance BIGINT NOT NULL DEFAULT 0;
