"""Keep what comes in, a batch in one transaction; what came before a failure is kept (D9)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from daemon.errors import MarketplaceError, TransportError
from daemon.model import Delivery
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
                    total += await keep(batch)
                    batch = []
    except (TransportError, MarketplaceError) as error:
        failed = error
    # The failure may be there at every turn: it must not keep back what came before it.
    if batch:
        total += await keep(batch)
    if failed is not None:
        raise failed
    return total
