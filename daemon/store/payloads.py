"""The bytes of everything sent and received, once each, compressed, in chunks (D7)."""

import hashlib
import json
import sqlite3
import zlib
from asyncio import Future, get_running_loop
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Self

from anyio import CancelScope

from daemon.errors import StoreError
from daemon.model import AccountName, PayloadId
from daemon.store.database import Database
from daemon.store.filling import insert
from daemon.store.times import to_us

#: bytes of one chunk before compression: large enough to compress well, small enough to hold one at a time
CHUNK = 256 * 1024
#: measured on feeds: CSV at 6 takes four times as long for a few bytes in a hundred, XML no longer and no shorter
_LEVEL = 4
#: chunks that one transaction keeps, and chunks that are compressed ahead of it
_TOGETHER, _AHEAD = 8, 16
#: payloads whose bytes one transaction drops
_BATCH = 100


_INSERT_CHUNK = "INSERT INTO payload_chunks VALUES (?, ?, ?)"


class Payloads:
    """Content-addressed bytes: the same content is kept once, whoever sent it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, chunks: AsyncIterator[bytes], at: datetime) -> tuple[PayloadId, int]:
        """Keep a stream; returns the payload and its size. Of one that breaks off nothing stays.

        What a dead process left half written is swept by `sweep`.
        """
        payload = await self._database.write(
            lambda db: int(
                db.execute("INSERT INTO payloads (kept_at) VALUES (?) RETURNING id", (to_us(at),)).fetchone()[0]
            )
        )
        try:
            sha256, size = await self._fill(payload, chunks)
        except BaseException:
            # It may break off at every turn, and fill the disk long before it is swept.
            with CancelScope(shield=True), suppress(StoreError):
                await self._database.write(
                    lambda db: db.execute("DELETE FROM payloads WHERE id = ?", (payload,)).rowcount
                )
            raise
        return await self._database.write(lambda db: _finish(db, payload, sha256, size)), size

    async def _fill(self, payload: int, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        """Keep the pieces of a stream; returns its digest and its size."""
        digest, size, position = hashlib.sha256(), 0, 0

        def pressed(piece: bytes) -> bytes:
            digest.update(piece)
            return zlib.compress(piece, _LEVEL)

        # One thread, so that the digest takes the pieces in their order; it works while the next ones are made.
        with _Thread() as thread:
            ahead: list[Future[bytes]] = []
            async for piece in _cut(chunks):
                size += len(piece)
                ahead.append(thread.begin(partial(pressed, piece)))
                if len(ahead) == _AHEAD:
                    await self._append(payload, position, [await future for future in ahead[:_TOGETHER]])
                    del ahead[:_TOGETHER]
                    position += _TOGETHER
            if ahead:
                await self._append(payload, position, [await future for future in ahead])
        return digest.hexdigest(), size

    async def _append(self, payload: int, position: int, pieces: Sequence[bytes]) -> None:
        rows = [(payload, position + place, piece) for place, piece in enumerate(pieces)]
        await self._database.write(lambda db: db.executemany(_INSERT_CHUNK, rows).rowcount)

    async def size(self, payload: PayloadId) -> int:
        """Bytes of a kept payload; raises KeyError when there is none."""
        row = await self._database.read(
            lambda db: db.execute("SELECT size FROM payloads WHERE id = ?", (payload,)).fetchone()
        )
        if row is None:
            raise KeyError(payload)
        return int(row[0])

    async def chunks(self, payload: PayloadId) -> AsyncIterator[bytes]:
        """The bytes again, chunk by chunk; each chunk is a short read of its own."""
        position = 0
        while True:
            row = await self._database.read(partial(_chunk, payload=payload, position=position))
            if row is None:
                return
            yield zlib.decompress(row)
            position += 1

    async def expire(self, account: AccountName, before: datetime) -> int:
        """Drop the bytes of an account's settled things kept before then; hash and size stay (D7).

        A bounded number goes in each transaction. Returns of how many payloads.
        """
        expired = 0
        while payloads := await self._database.read(partial(_expired, account=account, before=before)):
            expired += await self._database.write(partial(drop, payloads=payloads))
        return expired

    async def sweep(self, before: datetime) -> int:
        """Forget streams that were never finished and payloads that nothing points to any more."""
        return await self._database.write(
            lambda db: (
                db.execute(
                    "DELETE FROM payloads WHERE kept_at < ?"
                    " AND NOT EXISTS (SELECT 1 FROM feeds WHERE feeds.payload = payloads.id)"
                    " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.payload = payloads.id)"
                    " AND NOT EXISTS (SELECT 1 FROM order_updates WHERE order_updates.payload = payloads.id)",
                    (to_us(before),),
                ).rowcount
            )
        )


class _Thread:
    """A thread for the length of a block, which does one thing after the other; what is left at its end is not done."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def begin(self, work: Callable[[], bytes]) -> Future[bytes]:
        """Put it behind what was begun before."""
        return get_running_loop().run_in_executor(self._executor, work)


async def _cut(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of CHUNK, the last one shorter."""
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        while len(pending) >= CHUNK:
            yield bytes(pending[:CHUNK])
            del pending[:CHUNK]
    if pending:
        yield bytes(pending)


def _expired(db: sqlite3.Connection, account: AccountName, before: datetime) -> list[int]:
    rows = db.execute(
        "SELECT id FROM payloads WHERE kept_at < :before AND dropped = 0"
        " AND (EXISTS (SELECT 1 FROM feeds f WHERE f.payload = payloads.id AND f.account = :account)"
        " OR EXISTS (SELECT 1 FROM deliveries d WHERE d.payload = payloads.id AND d.account = :account)"
        " OR EXISTS (SELECT 1 FROM order_updates u WHERE u.payload = payloads.id AND u.account = :account))"
        " AND NOT EXISTS (SELECT 1 FROM feeds f WHERE f.payload = payloads.id AND f.closed_at IS NULL)"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.payload = payloads.id"
        # What was set aside is no exception: it holds customers too (D12), and the far side still has it.
        " AND d.state IN ('kept', 'waiting'))"
        " AND NOT EXISTS (SELECT 1 FROM order_updates u WHERE u.payload = payloads.id AND u.settled_at IS NULL)"
        " LIMIT :batch",
        {"before": to_us(before), "account": account, "batch": _BATCH},
    ).fetchall()
    return [row["id"] for row in rows]


def drop(db: sqlite3.Connection, payloads: Iterable[int]) -> int:
    """Drop the bytes of payloads inside the caller's transaction; hash and size stay. Returns how many had bytes."""
    dropped = 0
    for each in payloads:
        db.execute("UPDATE payloads SET dropped = 1 WHERE id = ?", (each,))
        dropped += db.execute("DELETE FROM payload_chunks WHERE payload = ?", (each,)).rowcount > 0
    return dropped


def keep(db: sqlite3.Connection, content: bytes, at: datetime) -> PayloadId:
    """Keep whole content inside the caller's transaction."""
    return keep_all(db, [content], at)[0]


def keep_all(db: sqlite3.Connection, contents: Sequence[bytes], at: datetime) -> list[PayloadId]:
    """Keep whole contents inside the caller's transaction; gives their payloads in the same order."""
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    missing = dict(zip(digests, contents, strict=True))
    payloads = {}
    for digest, payload, there in db.execute(
        "SELECT sha256, id, EXISTS (SELECT 1 FROM payload_chunks c WHERE c.payload = payloads.id)"
        " FROM payloads WHERE sha256 IN (SELECT value FROM json_each(?))",
        (json.dumps(list(missing)),),
    ).fetchall():
        payloads[digest] = PayloadId(payload)
        if there:
            del missing[digest]
    instant = to_us(at)
    # Its retention starts again, and where that had ended, so do its bytes.
    db.executemany(
        "UPDATE payloads SET kept_at = max(kept_at, ?), dropped = 0 WHERE id = ?",
        [(instant, payload) for payload in payloads.values()],
    )
    new = [digest for digest in missing if digest not in payloads]
    # The numbers that SQLite would give them: within a transaction nobody else takes one.
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM payloads").fetchone()
    payloads |= {digest: PayloadId(number) for number, digest in enumerate(new, last + 1)}
    insert(
        db,
        "payloads",
        ("id", "sha256", "size", "kept_at"),
        [(payloads[digest], digest, len(missing[digest]), instant) for digest in new],
    )
    insert(
        db,
        "payload_chunks",
        ("payload", "position", "deflated"),
        [
            (payloads[digest], position, _deflated(content[start : start + CHUNK]))
            for digest, content in missing.items()
            for position, start in enumerate(range(0, len(content), CHUNK))
        ],
    )
    return [payloads[digest] for digest in digests]


def _finish(db: sqlite3.Connection, payload: int, sha256: str, size: int) -> PayloadId:
    # The same content may have been kept before: its retention starts again, and where that had ended, so do its bytes.
    twin = db.execute(
        "UPDATE payloads SET kept_at = max(kept_at, (SELECT kept_at FROM payloads WHERE id = ?)), dropped = 0"
        " WHERE sha256 = ? RETURNING id",
        (payload, sha256),
    ).fetchone()
    if twin is None:
        db.execute("UPDATE payloads SET sha256 = ?, size = ? WHERE id = ?", (sha256, size, payload))
        return PayloadId(payload)
    if _chunk(db, twin[0], 0) is None:
        db.execute("UPDATE payload_chunks SET payload = ? WHERE payload = ?", (twin[0], payload))
    db.execute("DELETE FROM payloads WHERE id = ?", (payload,))
    return PayloadId(twin[0])


def _deflated(content: bytes) -> bytes:
    """Compress a chunk with a window of its own length: setting up a longer one takes longer than all the rest."""
    window = min(max(len(content).bit_length(), 9), zlib.MAX_WBITS)
    # The longest window goes with level 8 of memory, zlib's default; each half of it with one level less.
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, window, window - 7)
    return packer.compress(content) + packer.flush()


def _chunk(db: sqlite3.Connection, payload: int, position: int) -> bytes | None:
    row = db.execute(
        "SELECT deflated FROM payload_chunks WHERE payload = ? AND position = ?", (payload, position)
    ).fetchone()
    return None if row is None else bytes(row[0])
