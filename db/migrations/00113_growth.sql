-- expand
-- What lists of a portal that has grown are read along: what visitors see of a site, in the order in which they see it;
-- accounts of one status; runs of jobs by instance and by when they ended; old addresses of a site by age.
CREATE INDEX content_article_shown ON content_article (site, sticky, published, id);
CREATE INDEX user_account_status ON user_account (instance, status, screen_name);
CREATE INDEX job_run_instance ON job_run (instance, started);
CREATE INDEX job_run_ended ON job_run (state, ended);
CREATE INDEX page_redirect_age ON page_redirect (site, id);
