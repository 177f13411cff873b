"""Tell the marketplace what is in our store, after it is there (D9, L17, J14)."""

from collections.abc import Sequence

from anyio import CapacityLimiter, create_task_group

from daemon.errors import MarketplaceError, TransportError
from daemon.jobs import Run
from daemon.store.deliveries import DeliveryId, KeptDelivery

#: deliveries confirmed at the same time, and those noted in one transaction
_AT_ONCE = 32
_BATCH = 200


async def confirm_applied(run: Run) -> None:
    """Confirm every delivery whose work is done; what fails here is confirmed by a later turn.

    A file that is refused holds up none behind it; the first refusal is raised in the end, so call this last.
    """
    refused: MarketplaceError | None = None
    waiting = await run.store.deliveries.unconfirmed(run.name)
    for start in range(0, len(waiting), _BATCH):
        done, failed = await _confirm(run, waiting[start : start + _BATCH])
        await run.store.deliveries.confirmed(done, run.now.at)
        for error in failed:
            if isinstance(error, TransportError):
                raise error
            refused = refused or error
    if refused is not None:
        raise refused


async def _confirm(
    run: Run, deliveries: Sequence[KeptDelivery]
) -> tuple[list[DeliveryId], list[MarketplaceError | TransportError]]:
    """Confirm some deliveries, several at the same time; gives those that are, and why others are not."""
    done: list[DeliveryId] = []
    failed: list[MarketplaceError | TransportError] = []
    limiter = CapacityLimiter(_AT_ONCE)

    async def confirm(delivery: KeptDelivery) -> None:
        async with limiter:
            # Where the way there is lost, or a login is refused, it is not tried for each file again.
            if any(isinstance(error, TransportError) for error in failed):
                return
            try:
                await run.marketplace.confirm(delivery.file)
            except (MarketplaceError, TransportError) as error:
                failed.append(error)
            else:
                done.append(delivery.id)

    await confirm(deliveries[0])
    async with create_task_group() as group:
        for delivery in deliveries[1:]:
            group.start_soon(confirm, delivery)
    return done, failed
