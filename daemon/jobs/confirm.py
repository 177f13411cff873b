"""Tell the marketplace what is in our store, after it is there (D9, L17, J14)."""

from daemon.errors import MarketplaceError
from daemon.jobs import Run


async def confirm_applied(run: Run) -> None:
    """Confirm every delivery whose work is done; what fails here is confirmed by a later turn.

    A file that is refused holds up none behind it; the first refusal is raised in the end, so call this last.
    """
    refused: MarketplaceError | None = None
    for delivery in await run.store.deliveries.unconfirmed(run.name):
        try:
            await run.marketplace.confirm(delivery.file)
        except MarketplaceError as error:
            refused = refused or error
        else:
            await run.store.deliveries.confirmed([delivery.id], run.now.at)
    if refused is not None:
        raise refused
