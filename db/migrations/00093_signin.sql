-- expand
-- Keys that sign what browsers bring back. The two newest of a purpose are valid. value is base64; wrap names the
-- key of the key file that it is encrypted with, "" when it is not.
CREATE TABLE secret_sign (
  purpose VARCHAR(60) NOT NULL,
  number BIGINT NOT NULL,
  made BIGINT NOT NULL,
  wrap VARCHAR(40) NOT NULL,
  value VARCHAR(255) NOT NULL,
  PRIMARY KEY (purpose, number)
){{table}};

-- Keys that encrypt what the database keeps, such as the seeds of factors. All of them stay: what they encrypted does.
CREATE TABLE secret_seal (
  purpose VARCHAR(60) NOT NULL,
  number BIGINT NOT NULL,
  made BIGINT NOT NULL,
  wrap VARCHAR(40) NOT NULL,
  value VARCHAR(255) NOT NULL,
  PRIMARY KEY (purpose, number)
){{table}};

-- ends is when a session ends however busy it is, proven when the person last proved who they are in it. In sessions
-- of binaries from before, both are 0.
ALTER TABLE user_session ADD COLUMN ends BIGINT NOT NULL DEFAULT 0;

ALTER TABLE user_session ADD COLUMN proven BIGINT NOT NULL DEFAULT 0;
