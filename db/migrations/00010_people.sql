-- expand
-- Roles and grants (package access); accounts, groups, sessions and one-time links (package user).
CREATE TABLE access_role (
  id BIGINT NOT NULL PRIMARY KEY,
  instance BIGINT NOT NULL,
  name VARCHAR(120) NOT NULL,
  description {{text}} NOT NULL,
  builtin BOOLEAN NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE UNIQUE INDEX access_role_name ON access_role (instance, name);

-- A role may do the action, and all lesser ones, with the resource and what is inside it.
CREATE TABLE access_grant (
  kind VARCHAR(60) NOT NULL,
  thing BIGINT NOT NULL,
  role BIGINT NOT NULL,
  instance BIGINT NOT NULL,
  action INTEGER NOT NULL,
  PRIMARY KEY (kind, thing, role)
){{table}};

CREATE INDEX access_grant_role ON access_grant (role);

-- Who holds a role: an account or a user group; ids are unique over both.
CREATE TABLE access_holder (
  holder BIGINT NOT NULL,
  role BIGINT NOT NULL,
  PRIMARY KEY (holder, role)
){{table}};

CREATE INDEX access_holder_role ON access_holder (role);

-- Screen names and addresses are kept in lower case; words is what the list of users is searched by.
CREATE TABLE user_account (
  id BIGINT NOT NULL PRIMARY KEY,
  instance BIGINT NOT NULL,
  screen_name VARCHAR(75) NOT NULL,
  email VARCHAR(190) NOT NULL,
  first_name VARCHAR(120) NOT NULL,
  last_name VARCHAR(120) NOT NULL,
  locale VARCHAR(16) NOT NULL,
  time_zone VARCHAR(60) NOT NULL,
  status VARCHAR(20) NOT NULL,
  password VARCHAR(255) NOT NULL,
  words {{text}} NOT NULL,
  created BIGINT NOT NULL,
  last_login BIGINT NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE UNIQUE INDEX user_account_screen_name ON user_account (instance, screen_name);
CREATE UNIQUE INDEX user_account_email ON user_account (instance, email);

CREATE TABLE user_group (
  id BIGINT NOT NULL PRIMARY KEY,
  instance BIGINT NOT NULL,
  name VARCHAR(120) NOT NULL,
  description {{text}} NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE UNIQUE INDEX user_group_name ON user_group (instance, name);

CREATE TABLE user_member (
  usergroup BIGINT NOT NULL,
  account BIGINT NOT NULL,
  PRIMARY KEY (usergroup, account)
){{table}};

CREATE INDEX user_member_account ON user_member (account);

-- digest is the SHA-256 of the token in hexadecimal; the token itself is nowhere in the database.
CREATE TABLE user_session (
  id BIGINT NOT NULL PRIMARY KEY,
  digest VARCHAR(64) NOT NULL,
  account BIGINT NOT NULL,
  instance BIGINT NOT NULL,
  created BIGINT NOT NULL,
  seen BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  remember BOOLEAN NOT NULL,
  address VARCHAR(60) NOT NULL,
  agent VARCHAR(190) NOT NULL,
  version BIGINT NOT NULL
){{table}};

CREATE UNIQUE INDEX user_session_digest ON user_session (digest);
CREATE INDEX user_session_account ON user_session (account);
CREATE INDEX user_session_expires ON user_session (expires);

-- Links that work once: to set the first password or a forgotten one.
CREATE TABLE user_link (
  digest VARCHAR(64) NOT NULL PRIMARY KEY,
  account BIGINT NOT NULL,
  purpose VARCHAR(20) NOT NULL,
  expires BIGINT NOT NULL
){{table}};

CREATE INDEX user_link_account ON user_link (account);
CREATE INDEX user_link_expires ON user_link (expires);

-- Attempts within the current window, by account, by login or by address.
CREATE TABLE user_attempt (
  subject VARCHAR(100) NOT NULL PRIMARY KEY,
  tries INTEGER NOT NULL,
  since BIGINT NOT NULL
){{table}};

CREATE INDEX user_attempt_since ON user_attempt (since);
