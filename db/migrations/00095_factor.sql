-- expand
-- Second factors of accounts. A passkey is found by handle, the SHA-256 of its id in hexadecimal, and belongs to
-- host; its data is the public key. Of codes by time, data is the sealed seed, handle the id of the factor, and
-- step the last step of time that was used.
CREATE TABLE user_factor (
  id BIGINT NOT NULL PRIMARY KEY,
  account BIGINT NOT NULL,
  instance BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  name VARCHAR(120) NOT NULL,
  host VARCHAR(190) NOT NULL,
  handle VARCHAR(64) NOT NULL,
  data {{text}} NOT NULL,
  step BIGINT NOT NULL,
  created BIGINT NOT NULL,
  used BIGINT NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE UNIQUE INDEX user_factor_handle ON user_factor (instance, kind, handle);
CREATE INDEX user_factor_account ON user_factor (account);

-- Recovery codes by the SHA-256 of the account and the code; spent is the time at which one was used, or 0.
CREATE TABLE user_recovery (
  digest VARCHAR(64) NOT NULL PRIMARY KEY,
  account BIGINT NOT NULL,
  spent BIGINT NOT NULL
){{table}};

CREATE INDEX user_recovery_account ON user_recovery (account);

-- What was begun and is finished once, on any node: challenges of passkeys, sign-ins that wait for the second
-- factor, seeds that wait for their first code, ways between hosts.
CREATE TABLE user_challenge (
  digest VARCHAR(64) NOT NULL PRIMARY KEY,
  purpose VARCHAR(20) NOT NULL,
  instance BIGINT NOT NULL,
  account BIGINT NOT NULL,
  session BIGINT NOT NULL,
  host VARCHAR(255) NOT NULL,
  data {{text}} NOT NULL,
  expires BIGINT NOT NULL
){{table}};

CREATE INDEX user_challenge_expires ON user_challenge (expires);
CREATE INDEX user_challenge_account ON user_challenge (account);

-- Whether the person of a session has shown two factors.
ALTER TABLE user_session ADD COLUMN two_factors BOOLEAN NOT NULL DEFAULT FALSE;
