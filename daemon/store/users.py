"""Who may sign in, who is signed in, which tokens programs hold, and how often signing in has failed lately."""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from daemon.rules.throttle import Limit, wait
from daemon.store.database import Database
from daemon.store.times import from_us, iso, to_us

#: how long after its last use a session or token is marked as used again, so that reading a page seldom writes
_MARKED_EVERY = timedelta(minutes=1)
#: failures that are as old as this no longer count
_FORGIVEN_AFTER = timedelta(days=1)


class Right(StrEnum):
    """What somebody may do: READ looks, PERSONAL sees customers, OPERATE acts, ADMINISTER manages who may."""

    READ = "read"
    PERSONAL = "personal"
    OPERATE = "operate"
    ADMINISTER = "administer"
    METRICS = "metrics"


class Role(StrEnum):
    """What a user is: a viewer looks, an operator acts, an admin manages users and tokens too."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_ROLE_RIGHTS = {
    Role.VIEWER: frozenset({Right.READ, Right.METRICS}),
    Role.OPERATOR: frozenset({Right.READ, Right.METRICS, Right.OPERATE}),
    Role.ADMIN: frozenset({Right.READ, Right.METRICS, Right.OPERATE, Right.ADMINISTER}),
}
EVERY_RIGHT = frozenset(Right)


def rights_of(role: Role, *, personal: bool) -> frozenset[Right]:
    """What a role may do; `personal` adds the sight of customers."""
    return _ROLE_RIGHTS[role] | ({Right.PERSONAL} if personal else set())


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in; `password` is argon2's text, for the check alone."""

    name: str
    role: Role
    personal: bool
    password: str

    @property
    def rights(self) -> frozenset[Right]:
        """What the user may do."""
        return rights_of(self.role, personal=self.personal)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that counts now."""

    name: str
    rights: frozenset[Right]


def digest(secret: str) -> str:
    """What is kept of a secret that is random enough to need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Users:
    """The people who may sign in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str, password: str, role: Role, at: datetime, *, personal: bool) -> bool:
        """Let somebody sign in; False when there is a user of that name."""

        def work(db: sqlite3.Connection) -> bool:
            added = db.execute(
                "INSERT INTO users (name, password, role, personal, created_at, password_set_at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                (name, password, role, personal, to_us(at), to_us(at)),
            )
            return added.rowcount > 0

        return await self._database.write(work)

    async def change(self, name: str, *, role: Role | None = None, personal: bool | None = None) -> bool:
        """Give a user another role or sight of customers; None leaves it. False when there is no such user."""
        return await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE users SET role = coalesce(?, role), personal = coalesce(?, personal) WHERE name = ?",
                    (role, personal, name),
                ).rowcount
                > 0
            )
        )

    async def set_password(self, name: str, password: str, at: datetime) -> bool:
        """Take over a new password and end every session of the user; False when there is no such user."""

        def work(db: sqlite3.Connection) -> bool:
            row = db.execute(
                "UPDATE users SET password = ?, password_set_at = ? WHERE name = ? RETURNING id",
                (password, to_us(at), name),
            ).fetchone()
            if row is not None:
                db.execute("DELETE FROM sessions WHERE user = ?", (row["id"],))
            return row is not None

        return await self._database.write(work)

    async def remove(self, name: str) -> bool:
        """Let a user sign in no more, and end what is open; False when there is no such user."""
        return await self._database.write(
            lambda db: db.execute("DELETE FROM users WHERE name = ?", (name,)).rowcount > 0
        )

    async def find(self, name: str) -> User | None:
        """The user of that name."""
        row = await self._database.read(lambda db: db.execute("SELECT * FROM users WHERE name = ?", (name,)).fetchone())
        return _user(row) if row else None

    async def any(self) -> bool:
        """Whether anybody may sign in at all."""
        return await self._database.read(lambda db: db.execute("SELECT 1 FROM users LIMIT 1").fetchone()) is not None

    async def list(self) -> list[dict[str, Any]]:
        """Every user by name, without passwords, with the number of open sessions."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT u.*, (SELECT count(*) FROM sessions s WHERE s.user = u.id) AS open FROM users u ORDER BY u.name"
            ).fetchall()
        )
        return [
            {
                "name": row["name"],
                "role": row["role"],
                "personal": bool(row["personal"]),
                "sessions": row["open"],
                **{name: iso(row[name]) for name in ("created_at", "password_set_at", "signed_in_at")},
            }
            for row in rows
        ]


class Sessions:
    """Who is signed in: a random token in the browser, its hash here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, name: str, address: str, at: datetime, lifetime: timedelta) -> str | None:
        """Sign a user in; returns the token for the browser, None when there is no such user. Old ones are swept."""
        token = secrets.token_urlsafe(32)

        def work(db: sqlite3.Connection) -> str | None:
            db.execute("DELETE FROM sessions WHERE opened_at < ?", (to_us(at - lifetime),))
            row = db.execute(
                "UPDATE users SET signed_in_at = ? WHERE name = ? RETURNING id", (to_us(at), name)
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "INSERT INTO sessions (token, user, opened_at, used_at, address) VALUES (?, ?, ?, ?, ?)",
                (digest(token), row["id"], to_us(at), to_us(at), address),
            )
            return token

        return await self._database.write(work)

    async def find(
        self, token: str, at: datetime, *, idle: timedelta, lifetime: timedelta, touch: bool = True
    ) -> User | None:
        """Whose session it is, None when it has ended. Using it keeps it from idling, unless not to `touch` it."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT u.*, s.id AS session, s.used_at FROM sessions s JOIN users u ON u.id = s.user"
                " WHERE s.token = ? AND s.opened_at > ? AND s.used_at > ?",
                (digest(token), to_us(at - lifetime), to_us(at - idle)),
            ).fetchone()
        )
        if row is None:
            return None
        if touch and to_us(at - _MARKED_EVERY) > row["used_at"]:
            await self._database.write(
                lambda db: (
                    db.execute("UPDATE sessions SET used_at = ? WHERE id = ?", (to_us(at), row["session"])).rowcount
                )
            )
        return _user(row)

    async def end(self, token: str) -> bool:
        """Sign one browser out; False when it was not signed in."""
        return await self._database.write(
            lambda db: db.execute("DELETE FROM sessions WHERE token = ?", (digest(token),)).rowcount > 0
        )

    async def end_all(self, name: str) -> int:
        """Sign a user out everywhere; returns how many sessions ended."""
        return await self._database.write(
            lambda db: (
                db.execute("DELETE FROM sessions WHERE user = (SELECT id FROM users WHERE name = ?)", (name,)).rowcount
            )
        )

    async def of(self, name: str) -> list[dict[str, Any]]:
        """The open sessions of a user, the last used first."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT s.* FROM sessions s JOIN users u ON u.id = s.user WHERE u.name = ? ORDER BY s.used_at DESC",
                (name,),
            ).fetchall()
        )
        return [
            {"address": row["address"], "opened_at": iso(row["opened_at"]), "used_at": iso(row["used_at"])}
            for row in rows
        ]


class Tokens:
    """What programs sign in with: shown once, kept as a hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, name: str, rights: Collection[Right], at: datetime, expires_at: datetime | None
    ) -> str | None:
        """A new token for a program; None when one of that name counts. One that was revoked gives its name free."""
        token = f"sellerd_{secrets.token_urlsafe(32)}"

        def work(db: sqlite3.Connection) -> str | None:
            db.execute("DELETE FROM tokens WHERE name = ? AND revoked_at IS NOT NULL", (name,))
            added = db.execute(
                "INSERT INTO tokens (name, token, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO NOTHING",
                (
                    *(name, digest(token), json.dumps(sorted(rights)), to_us(at)),
                    None if expires_at is None else to_us(expires_at),
                ),
            )
            return token if added.rowcount else None

        return await self._database.write(work)

    async def find(self, token: str, at: datetime) -> Token | None:
        """What a token allows; None when it is unknown, revoked or expired."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM tokens WHERE token = ? AND revoked_at IS NULL"
                " AND (expires_at IS NULL OR expires_at > ?)",
                (digest(token), to_us(at)),
            ).fetchone()
        )
        if row is None:
            return None
        if row["used_at"] is None or to_us(at - _MARKED_EVERY) > row["used_at"]:
            await self._database.write(
                lambda db: db.execute("UPDATE tokens SET used_at = ? WHERE id = ?", (to_us(at), row["id"])).rowcount
            )
        return Token(row["name"], frozenset(map(Right, json.loads(row["scopes"]))))

    async def revoke(self, name: str, at: datetime) -> bool:
        """Let a token count no more; False when none of that name does."""
        return await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL", (to_us(at), name)
                ).rowcount
                > 0
            )
        )

    async def list(self) -> list[dict[str, Any]]:
        """Every token by name, without what it is."""
        rows = await self._database.read(lambda db: db.execute("SELECT * FROM tokens ORDER BY name").fetchall())
        return [
            {
                "name": row["name"],
                "scopes": json.loads(row["scopes"]),
                **{name: iso(row[name]) for name in ("created_at", "expires_at", "used_at", "revoked_at")},
            }
            for row in rows
        ]


class SignIns:
    """How often signing in has failed, by whom and from where; it outlives restarts, so guessing stays slow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def attempt(self, keys: Mapping[str, Limit], at: datetime) -> timedelta:
        """Somebody tries: counted as failed until it has succeeded, so that many at once gain nothing.

        Returns how long to wait first, which is then no try and not counted; zero when it may be tried.
        """

        def work(db: sqlite3.Connection) -> timedelta:
            db.execute("DELETE FROM sign_in_failures WHERE last_at < ?", (to_us(at - _FORGIVEN_AFTER),))
            longest = timedelta()
            for key, limit in keys.items():
                row = db.execute("SELECT * FROM sign_in_failures WHERE key = ?", (digest(key),)).fetchone()
                if row is not None:
                    longest = max(longest, wait(row["failures"], from_us(int(row["last_at"])), limit, at))
            if longest == timedelta():
                db.executemany(
                    "INSERT INTO sign_in_failures VALUES (?, 1, ?)"
                    " ON CONFLICT (key) DO UPDATE SET failures = failures + 1, last_at = excluded.last_at",
                    [(digest(key), to_us(at)) for key in keys],
                )
            return longest

        return await self._database.write(work)

    async def succeeded(self, pair: str, others: Collection[str]) -> None:
        """It was the password: what failed before counts no more for `pair`, and this try for none of the `others`."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM sign_in_failures WHERE key = ?", (digest(pair),))
            db.executemany(
                "UPDATE sign_in_failures SET failures = max(0, failures - 1) WHERE key = ?",
                [(digest(key),) for key in others],
            )

        await self._database.write(work)


def _user(row: sqlite3.Row) -> User:
    return User(row["name"], Role(row["role"]), bool(row["personal"]), row["password"])
