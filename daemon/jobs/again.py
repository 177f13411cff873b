"""Read once more what was set aside and a person wants tried again, from the bytes that are kept (D9)."""

from functools import partial

from daemon.errors import Unforeseen
from daemon.jobs import Run
from daemon.jobs.keep import keep_answers, keep_each
from daemon.model import Delivery
from daemon.store.deliveries import DeliveryKind, Kept, KeptDelivery


async def orders_again(run: Run) -> Kept:
    """Keep the orders of deliveries that are to be tried again; what still cannot be read is set aside again."""
    total = Kept()
    for kept, content in await _kept(run, DeliveryKind.ORDER):
        if run.marketplace.read_claims(kept.file, content) is None:
            delivery = Delivery(kept.file, content, run.marketplace.read_orders(kept.file, content))
            total += await keep_each([delivery], partial(run.store.orders.keep, run.name, at=run.now.at))
    return total


async def claims_again(run: Run) -> Kept:
    """Keep the claims of deliveries that are to be tried again."""
    total = Kept()
    for kept, content in await _kept(run, DeliveryKind.ORDER):
        read = run.marketplace.read_claims(kept.file, content)
        if read is not None:
            delivery = Delivery(kept.file, content, read)
            keep = partial(
                run.store.claims.keep, run.name, at=run.now.at, answer_within=run.account.claim_answer_within
            )
            total += await keep_each([delivery], keep)
    return total


async def update_answers_again(run: Run) -> Unforeseen | None:
    """Apply the answers to updates that are to be tried again; returns what nobody foresaw of them."""
    surprise: Unforeseen | None = None
    for kept, content in await _kept(run, DeliveryKind.UPDATE_ANSWER):
        delivery = Delivery(kept.file, content, run.marketplace.read_update_answer(kept.file, content))
        surprise = await keep_answers(run, delivery) or surprise
    return surprise


async def _kept(run: Run, kind: DeliveryKind) -> list[tuple[KeptDelivery, bytes]]:
    """What is to be tried again of a kind, with its bytes: a person asks for few at a time."""
    return [
        (kept, b"".join([chunk async for chunk in run.store.payloads.chunks(kept.payload)]))
        for kept in await run.store.deliveries.unsettled(run.name, kind)
    ]
