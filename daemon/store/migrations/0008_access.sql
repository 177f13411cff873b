-- Who may do what over the web, and who did what (the audit trail).

-- `password` is argon2's own text: its parameters, its salt and the hash.
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  password TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  personal INTEGER NOT NULL CHECK (personal IN (0, 1)),
  created_at INTEGER NOT NULL,
  password_set_at INTEGER NOT NULL,
  signed_in_at INTEGER
) STRICT;

-- `token` is the SHA-256 of what the browser holds, which is kept nowhere.
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  token TEXT NOT NULL UNIQUE,
  user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  opened_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL,
  address TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user);

-- `token` is the SHA-256 of what was shown once; `scopes` is a JSON list of rights.
CREATE TABLE tokens (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  token TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  used_at INTEGER,
  revoked_at INTEGER
) STRICT;

-- Sign-ins that failed, by the SHA-256 of whom or where: a name that was typed may be a password.
CREATE TABLE sign_in_failures (
  key TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every action of a person or a program: begun before it is done, and ended after. `form` is the one-time mark of the
-- form it came from, so that a second press of its button is known as such. Never personal data of customers.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  how TEXT NOT NULL,
  address TEXT NOT NULL,
  path TEXT NOT NULL,
  action TEXT NOT NULL DEFAULT '',
  outcome TEXT NOT NULL DEFAULT 'begun' CHECK (outcome IN ('begun', 'done', 'refused', 'failed')),
  detail TEXT NOT NULL DEFAULT '',
  ended_at INTEGER,
  form TEXT UNIQUE
) STRICT;

CREATE INDEX audit_by_time ON audit (at);
