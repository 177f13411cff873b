"""How the database itself is, for a person who wonders: read beside whoever owns it, and nothing is changed."""

import hashlib
import sqlite3
import zlib
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from daemon.rules.gate import Gate
from daemon.store.database import Database, migrations
from daemon.store.gates import read_gate
from daemon.store.times import from_us

_MOST_TOLD = 10
#: payloads that are looked at: so many of the newest, and as many from anywhere
_SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Schema:
    """The migrations that a database lacks, and those of a newer program that it has."""

    missing: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """How many payloads were read and hashed, and which of them are not what was kept."""

    read: int
    damaged: tuple[int, ...]


class Checkup:
    """Questions about one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def schema(self) -> Schema:
        """Whether its form is that of this program."""
        rows = await self._database.read(lambda db: db.execute("SELECT number, name FROM migrations").fetchall())
        known, applied = (
            {number: name for number, name, _ in migrations()},
            {row["number"]: row["name"] for row in rows},
        )
        return Schema(
            tuple(known[number] for number in sorted(known.keys() - applied.keys())),
            tuple(applied[number] for number in sorted(applied.keys() - known.keys())),
        )

    async def damage(self, *, quick: bool) -> list[str]:
        """What is wrong with its pages and indexes, the first ten; `quick` leaves the indexes' content out."""
        check = "quick_check" if quick else "integrity_check"
        rows = await self._database.read(lambda db: db.execute(f"PRAGMA {check}({_MOST_TOLD})").fetchall())
        return [row[0] for row in rows if row[0] != "ok"]

    async def broken_references(self) -> list[str]:
        """Tables with rows that refer to rows which are not there."""
        rows = await self._database.read(lambda db: db.execute("PRAGMA foreign_key_check").fetchmany(_MOST_TOLD))
        return list(dict.fromkeys(f"{row['table']} refers to {row['parent']}" for row in rows))

    async def payloads(self) -> Sample:
        """Read some of the kept bytes back and compare them with their hashes (D7)."""
        chosen = await self._database.read(_choose)
        damaged = []
        for payload, sha256 in chosen:
            if await self._digest(payload) != sha256:
                damaged.append(payload)
        return Sample(len(chosen), tuple(damaged))

    async def _digest(self, payload: int) -> str:
        digest, position = hashlib.sha256(), 0
        while (row := await self._database.read(partial(_chunk, payload=payload, position=position))) is not None:
            try:
                digest.update(zlib.decompress(row))
            except zlib.error:
                return "unreadable"
            position += 1
        return digest.hexdigest()

    async def gates(self) -> list[tuple[str, str, Gate]]:
        """Every gate with its account and kind."""
        rows = await self._database.read(lambda db: db.execute("SELECT * FROM gates ORDER BY account, kind").fetchall())
        return [(row["account"], row["kind"], read_gate(row)) for row in rows]

    async def last_instant(self) -> datetime | None:
        """The newest instant that the database knows of: no clock that is right stands before it."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT max(at) FROM (SELECT max(last_started_at) AS at FROM jobs"
                " UNION ALL SELECT max(last_ended_at) FROM jobs UNION ALL SELECT max(opened_at) FROM feeds)"
            ).fetchone()
        )
        latest: int | None = row[0]
        return from_us(latest)


def _choose(db: sqlite3.Connection) -> list[tuple[int, str]]:
    kept = (
        "SELECT id, sha256 FROM payloads WHERE sha256 IS NOT NULL"
        " AND EXISTS (SELECT 1 FROM payload_chunks c WHERE c.payload = payloads.id)"
    )
    rows = db.execute(
        f"SELECT * FROM ({kept} ORDER BY id DESC LIMIT ?)"  # noqa: S608 - our own words
        f" UNION SELECT * FROM ({kept} ORDER BY random() LIMIT ?)",
        (_SAMPLE, _SAMPLE),
    ).fetchall()
    return [(row["id"], row["sha256"]) for row in rows]


def _chunk(db: sqlite3.Connection, payload: int, position: int) -> bytes | None:
    row = db.execute(
        "SELECT deflated FROM payload_chunks WHERE payload = ? AND position = ?", (payload, position)
    ).fetchone()
    return None if row is None else bytes(row[0])
