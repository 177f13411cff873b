"""The look of a rehearsal at the far side: its folders and the order files that lie there; nothing is changed."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

from daemon.cli.proofs import Verdict, by_asking
from daemon.errors import MarketplaceError, TransportError, Unreadable
from daemon.marketplaces import Inbox, Marketplace
from daemon.model import Order, RemoteFile
from daemon.seller.rehearsal import Look

#: order files that are read at most in one look
_MOST = 50


class NothingKept:
    """The inbox of an account whose daemon has never run."""

    async def unread(self, files: Sequence[RemoteFile], *, cleared: bool = False) -> list[RemoteFile]:  # noqa: ARG002
        """All of them."""
        return list(files)


async def look_at(way: Marketplace, inbox: Inbox, now: datetime) -> Look:
    """What answers there, what hinders, and how the order files that are not kept yet would be read."""
    findings = [finding async for finding in by_asking(way.checks(now))]
    folders = [finding.found for finding in findings if finding.verdict is Verdict.OK]
    hindrances = [f"{each.what}: {each.found}" for each in findings if each.verdict is Verdict.WRONG]
    if hindrances:
        # A login that was refused is not tried again.
        return Look(folders, hindrances)
    orders: list[Order] = []
    unread: list[str] = []
    try:
        async with aclosing(way.orders(inbox, now, now)) as deliveries:
            async for delivery in deliveries:
                entries = [delivery.body] if isinstance(delivery.body, Unreadable) else delivery.body
                orders += [entry for entry in entries if isinstance(entry, Order)]
                unread += [f"{delivery.file.name}: {entry}" for entry in entries if isinstance(entry, Unreadable)]
                if len(orders) + len(unread) >= _MOST:
                    break
    except (TransportError, MarketplaceError) as error:
        hindrances.append(str(error))
    return Look(folders, hindrances, orders, unread)
