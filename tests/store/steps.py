"""How much work SQLite does: its own steps, which are the same on every machine, instead of time."""

import sqlite3
from collections.abc import Awaitable, Callable

from daemon.store.database import Database

_EVERY = 10


async def steps_of(database: Database, work: Callable[[], Awaitable[object]]) -> int:
    """The steps that the writer and both readers take while `work` lasts."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += _EVERY
        return 0

    def set_to(handler: Callable[[], int] | None) -> Callable[[sqlite3.Connection], None]:
        return lambda db: db.set_progress_handler(handler, _EVERY)

    async def set_everywhere(handler: Callable[[], int] | None) -> None:
        await database.write(set_to(handler))
        for _ in range(2):
            await database.read(set_to(handler))

    await set_everywhere(count)
    await work()
    await set_everywhere(None)
    return taken
