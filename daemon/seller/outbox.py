"""Orders laid into a folder of the seller's, each once, whole or not at all (guide S2)."""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from anyio import to_thread

from daemon.errors import Unreachable
from daemon.model import AccountName
from daemon.seller.exports import ExportFormat, orders_as
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.folders import LaidOut
from daemon.store.views import View

#: names and addresses are for the owner of the folder and its group
_MODE = 0o640


async def fill_outbox(
    store: Store, account: AccountSettings, outbox: Path, form: ExportFormat, at: datetime, *, changes: bool
) -> int:
    """Write every order that is not there yet as a file of its own; returns how many.

    The name is that of the order and its change, and the content follows from the database: one that is written twice
    because a crash came between writing and noting it is the same file. Raises Unreachable when the folder cannot be
    written, StoreError when the database fails.
    """
    written = 0
    while orders := await store.folders.to_lay_out(AccountName(account.name), at, changes=changes):
        for order in orders:
            content = b"".join([piece async for piece in orders_as(form, _page(order.order))])
            await to_thread.run_sync(_write, outbox, _name(order, form), content)
            await store.folders.laid_out([order])
            written += 1
    return written


def _name(order: LaidOut, form: ExportFormat) -> str:
    return f"order-{quote(order.order['number'], safe='')[:150]}-{order.changed_at}.{form}"


async def _page(order: View) -> AsyncIterator[list[View]]:
    yield [order]


def _write(outbox: Path, name: str, content: bytes) -> None:
    fresh = outbox / f".{name}.part"
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(outbox / name)
        _sync(outbox)
    except OSError as error:
        raise Unreachable(
            f"the outbox {outbox} cannot be written: {error.strerror}; make the folder, and give the daemon's user the"
            " right"
        ) from None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
