"""Requests with keys, each done once however often it comes: change and answer in one transaction (guide S3)."""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from daemon.errors import DaemonError
from daemon.model import AccountName
from daemon.store.database import Database
from daemon.store.times import to_us

R = TypeVar("R")
Answer = dict[str, Any]


class KeyUsed(DaemonError):
    """The key of a request belongs to another one: nothing was done."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The key that the client chose, and what stands for everything that the request asks."""

    account: AccountName
    key: str
    request: str


class Requests:
    """What was answered to requests with keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def once(
        self,
        key: RequestKey,
        change: Callable[[Database], Awaitable[R]],
        answer: Callable[[R], Answer],
        at: datetime,
    ) -> tuple[Answer, bool]:
        """Make one change once: its answer, and whether that is the one of an earlier time.

        `change` makes its one transaction in the database that it is given. Where it raises, nothing is kept, and the
        key is free. Raises KeyUsed when the key was given to another request.
        """
        try:
            result = await change(_Once(self._database, key, answer, at))
        except _AnsweredBefore as before:
            return before.answer, True
        return answer(result), False

    async def forget(self, before: datetime) -> int:
        """Forget the keys of long ago; how many there were."""
        sql = "DELETE FROM request_keys WHERE at < ?"
        return await self._database.write(lambda db: db.execute(sql, (to_us(before),)).rowcount)


class _AnsweredBefore(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class _Once(Database):
    """The database, with the key looked for and kept inside each of its transactions."""

    def __init__(self, real: Database, key: RequestKey, answer: Callable[[Any], Answer], at: datetime) -> None:
        super().__init__(real.path, None, [])
        self._real = real
        self._key = key
        self._answer = answer
        self._at = at

    async def write(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run one whole transaction; raises StoreError when the database or the disk fails."""
        return await self._real.write(partial(self._keyed, work))

    async def read(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run one short question."""
        return await self._real.read(work)

    def _keyed(self, work: Callable[[sqlite3.Connection], R], db: sqlite3.Connection) -> R:
        named = (self._key.account, self._key.key)
        kept = db.execute("SELECT * FROM request_keys WHERE account = ? AND key = ?", named).fetchone()
        if kept is not None and kept["request"] != self._key.request:
            raise KeyUsed(f"the key {self._key.key!r} was given to another request; give each request one of its own")
        if kept is not None:
            raise _AnsweredBefore(json.loads(kept["answer"]))
        result = work(db)
        answer = json.dumps(self._answer(result), ensure_ascii=False)
        db.execute(
            "INSERT INTO request_keys VALUES (?, ?, ?, ?, ?)", (*named, self._key.request, answer, to_us(self._at))
        )
        return result
