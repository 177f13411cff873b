"""Read once more what was set aside and a person wants tried again, from the bytes that are kept (D9)."""

from collections.abc import Callable
from typing import TypeVar

from daemon.errors import Unreadable
from daemon.jobs import Run
from daemon.model import Delivery
from daemon.store.deliveries import DeliveryKind, KeptDelivery
from daemon.store.orders import Kept

T = TypeVar("T")


async def orders_again(run: Run) -> Kept:
    """Keep the orders of deliveries that are to be tried again; what still cannot be read is set aside again."""
    total = Kept()
    for kept in await run.store.deliveries.unsettled(run.name, DeliveryKind.ORDER):
        delivery = await _read(run, kept, run.marketplace.read_orders)
        total += await run.store.orders.keep(run.name, [delivery], run.now.at)
    return total


async def update_answers_again(run: Run) -> None:
    """Apply the answers to updates that are to be tried again."""
    for kept in await run.store.deliveries.unsettled(run.name, DeliveryKind.UPDATE_ANSWER):
        delivery = await _read(run, kept, run.marketplace.read_update_answer)
        await run.store.updates.keep_answers(run.name, delivery, run.now.at)


async def _read(
    run: Run, kept: KeptDelivery, read: Callable[[str, bytes], tuple[T | Unreadable, ...] | Unreadable]
) -> Delivery[T]:
    content = b"".join([chunk async for chunk in run.store.payloads.chunks(kept.payload)])
    return Delivery(kept.file, content, read(kept.file.name, content))
