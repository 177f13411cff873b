"""The accounts as the daemon last saw them configured, and which of them wait for a person (D10)."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.model import AccountName, Deadlines
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.times import from_us, to_us

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Configured:
    """An account as it is configured; the fingerprint stands for all of it."""

    name: AccountName
    marketplace: str
    fingerprint: str
    deadlines: Deadlines = Deadlines()  # noqa: RUF009 - frozen


class Accounts:
    """Every account that was ever configured; rows of other tables hang on theirs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def configure(
        self,
        name: AccountName,
        marketplace: str,
        fingerprint: str,
        at: datetime,
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - frozen
    ) -> bool:
        """Take over an account's configuration; a changed fingerprint releases a held account (D10).

        Returns whether it was released.
        """
        return bool(await self.configure_all([Configured(name, marketplace, fingerprint, deadlines)], at))

    async def configure_all(self, accounts: Iterable[Configured], at: datetime) -> list[AccountName]:
        """Take over the configuration of many accounts at once; returns those that were released by it (D10)."""
        return await self._database.write(lambda db: [each.name for each in accounts if _configure(db, each, at)])

    async def hold(self, name: AccountName, reason: str, at: datetime) -> bool:
        """Leave the account alone until a person has seen to it; False when it was held already (D10, D11)."""

        def work(db: sqlite3.Connection) -> bool:
            held = db.execute(
                "UPDATE accounts SET held_at = ?, held_reason = ? WHERE name = ? AND held_at IS NULL",
                (to_us(at), reason, name),
            )
            if held.rowcount:
                tell(db, at, name, ("account", 0), "held", moved=("active", "held"), why=reason)
            return held.rowcount > 0

        return await self._database.write(work)

    async def release(self, name: AccountName, at: datetime) -> bool:
        """Try the account again; False when it was not held."""
        return await self._database.write(lambda db: _release(db, name, "released by a person", at))

    async def names(self) -> list[AccountName]:
        """Every account that was ever configured here."""
        rows = await self._database.read(lambda db: db.execute("SELECT name FROM accounts ORDER BY name").fetchall())
        return [AccountName(row["name"]) for row in rows]

    async def held(self) -> dict[AccountName, tuple[datetime, str]]:
        """The accounts that need a person: since when, and why."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT name, held_at, held_reason FROM accounts WHERE held_at IS NOT NULL ORDER BY name"
            ).fetchall()
        )
        return {AccountName(row["name"]): (from_us(int(row["held_at"])), row["held_reason"]) for row in rows}

    async def feed_counts(self) -> dict[tuple[str, str, str], int]:
        """How many feeds stand how: by account, kind and state."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT account, kind, state, count(*) AS n FROM feeds GROUP BY account, kind, state"
            ).fetchall()
        )
        return {(row["account"], row["kind"], row["state"]): row["n"] for row in rows}


def _configure(db: sqlite3.Connection, account: Configured, at: datetime) -> bool:
    deadlines = account.deadlines
    spans = (deadlines.accept_within, deadlines.ship_within, deadlines.warn_before)
    known = db.execute("SELECT fingerprint FROM accounts WHERE name = ?", (account.name,)).fetchone()
    db.execute(
        "INSERT INTO accounts (name, marketplace, fingerprint, accept_within, ship_within, warn_before)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET marketplace = excluded.marketplace,"
        " fingerprint = excluded.fingerprint, accept_within = excluded.accept_within,"
        " ship_within = excluded.ship_within, warn_before = excluded.warn_before",
        (account.name, account.marketplace, account.fingerprint, *(span // _MICROSECOND for span in spans)),
    )
    changed = known is not None and known["fingerprint"] != account.fingerprint
    return changed and _release(db, account.name, "its configuration changed", at)


def _release(db: sqlite3.Connection, name: str, why: str, at: datetime) -> bool:
    released = db.execute(
        "UPDATE accounts SET held_at = NULL, held_reason = '' WHERE name = ? AND held_at IS NOT NULL", (name,)
    )
    if released.rowcount:
        tell(db, at, name, ("account", 0), "released", moved=("held", "active"), why=why)
    return released.rowcount > 0
