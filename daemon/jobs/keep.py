"""Keep what comes in, a batch in one transaction; what came before a failure is kept (D9)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from daemon.errors import MarketplaceError, TransportError, Unforeseen, unforeseen
from daemon.jobs import Run
from daemon.model import Delivery, UpdateAnswer
from daemon.store.deliveries import Kept

#: deliveries of one transaction: large enough that a commit costs little, small enough that a cut loses little
_BATCH = 200

T = TypeVar("T")


async def keep_all(
    coming: AsyncGenerator[Delivery[T], None], keep: Callable[[Sequence[Delivery[T]]], Awaitable[Kept]]
) -> Kept:
    """Keep every delivery; raises what their coming raised, after those before it are kept."""
    total = Kept()
    batch: list[Delivery[T]] = []
    failed: TransportError | MarketplaceError | None = None
    try:
        async with aclosing(coming) as deliveries:
            async for delivery in deliveries:
                batch.append(delivery)
                if len(batch) >= _BATCH:
                    total += await keep_each(batch, keep)
                    batch = []
    except (TransportError, MarketplaceError) as error:
        failed = error
    # The failure may be there at every turn: it must not keep back what came before it.
    if batch:
        total += await keep_each(batch, keep)
    if failed is not None:
        raise failed
    return total


async def keep_each(
    deliveries: Sequence[Delivery[T]], keep: Callable[[Sequence[Delivery[T]]], Awaitable[Kept]]
) -> Kept:
    """Keep deliveries together; where that raises what nobody foresaw, what raises it is set aside, and nothing else.

    Which one it is shows when they are kept in ever smaller parts. Raises StoreError where the disk is to blame.
    """
    try:
        return await keep(deliveries)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not hold up those beside it
        surprise = unforeseen(error)
    if len(deliveries) == 1:
        return await keep([replace(deliveries[0], body=surprise)])
    middle = len(deliveries) // 2
    return await keep_each(deliveries[:middle], keep) + await keep_each(deliveries[middle:], keep)


async def keep_answers(run: Run, delivery: Delivery[UpdateAnswer]) -> Unforeseen | None:
    """Keep and apply answers to updates; returns what nobody foresaw: then they stand aside, their updates in doubt."""
    try:
        await run.store.updates.keep_answers(run.name, delivery, run.now.at)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not hold up those beside it
        surprise = unforeseen(error)
        await run.store.updates.doubt_answers(run.name, delivery, surprise, run.now.at)
        return surprise
    return None
