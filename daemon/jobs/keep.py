"""Keep what comes in, a batch in one transaction, while the next one comes; what came before a failure is kept (D9)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from anyio import create_memory_object_stream, create_task_group

from daemon.errors import Unforeseen, unforeseen
from daemon.jobs import Run
from daemon.jobs.bisection import Bisection
from daemon.model import Delivery, UpdateAnswer
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
                total += await keep_each(batch, keep)
    except BaseExceptionGroup as ended:
        # There is one, of the keeping: as itself, as if there had been no group.
        raise ended.exceptions[0] from None
    if failed:
        raise failed[0]
    return total


async def keep_each(
    deliveries: Sequence[Delivery[T]], keep: Callable[[Sequence[Delivery[T]]], Awaitable[Kept]]
) -> Kept:
    """Keep deliveries together; where that raises what nobody foresaw, what raises it is set aside, and nothing else.

    Raises StoreError where the disk is to blame.
    """

    async def set_aside(raising: Sequence[Delivery[T]], why: Unforeseen) -> Kept:
        return await keep([replace(delivery, body=why) for delivery in raising])

    # However many raise, each is looked for: an order that is good is never set aside with one that is not.
    return await Bisection(keep, set_aside).work(deliveries)


async def keep_answers(run: Run, delivery: Delivery[UpdateAnswer]) -> Unforeseen | None:
    """Keep and apply answers to updates; returns what nobody foresaw: then they stand aside, their updates in doubt."""
    try:
        await run.store.updates.keep_answers(run.name, delivery, run.now.at)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not hold up those beside it
        surprise = unforeseen(error)
        await run.store.updates.doubt_answers(run.name, delivery, surprise, run.now.at)
        return surprise
    return None
