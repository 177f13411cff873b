"""Tell the marketplace what is in our store, after it is there (D9, L17, J14)."""

from daemon.jobs import Run


async def confirm_applied(run: Run) -> None:
    """Confirm every delivery whose work is done; what fails here is confirmed by a later turn."""
    for delivery in await run.store.deliveries.unconfirmed(run.name):
        await run.marketplace.confirm(delivery.file)
        await run.store.deliveries.confirmed([delivery.id], run.now.at)
