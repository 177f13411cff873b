"""Keep what comes in, a batch in one transaction, while the next one comes; what came before a failure is kept (D9)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from anyio import create_memory_object_stream, create_task_group

from daemon.model import Delivery
from daemon.store.deliveries import Kept

#: deliveries of one transaction: large enough that a commit costs little, small enough that a cut loses little
_BATCH = 200
#: batches that wait to be kept; memory is bounded by them and by what the marketplace reads ahead
_WAITING = 1

T = TypeVar("T")


async def keep_all(
    coming: AsyncGenerator[Delivery[T], None], keep: Callable[[Sequence[Delivery[T]]], Awaitable[Kept]]
) -> Kept:
    """Keep every delivery; raises what their coming raised, after those before it are kept.

    The disk and the far side do not wait for each other: while one batch is kept, the next is fetched and read.
    """
    total, failed = Kept(), list[Exception]()
    there, arriving = create_memory_object_stream[list[Delivery[T]]](_WAITING)

    async def fetch() -> None:
        batch: list[Delivery[T]] = []
        async with there, aclosing(coming) as deliveries:
            try:
                async for delivery in deliveries:
                    batch.append(delivery)
                    if len(batch) >= _BATCH:
                        await there.send(batch)
                        batch = []
            except Exception as error:  # noqa: BLE001 - raised below, when what came is kept
                failed.append(error)
            # The failure may be there at every turn: it must not keep back what came before it.
            if batch:
                await there.send(batch)

    try:
        async with create_task_group() as group, arriving:
            group.start_soon(fetch)
            async for batch in arriving:
                total += await keep(batch)
    except BaseExceptionGroup as ended:
        # There is one, of the keeping: as itself, as if there had been no group.
        raise ended.exceptions[0] from None
    if failed:
        raise failed[0]
    return total
