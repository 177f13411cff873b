"""Far sides in our own process that have nothing new and take whatever is sent: for what many accounts cost us."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from daemon.main import open_way
from daemon.marketplaces import Inbox, Marketplace, Report, Spool
from daemon.model import AnswerLine, Delivery, Feed, RemoteFile, Whereabouts
from daemon.settings import AccountSettings


def open_quiet(account: AccountSettings, keys: Mapping[str, Sequence[str]]) -> Marketplace:
    """An account's way that looks like the real one and reaches nobody; for `daemon.main.run`."""
    return Quiet(open_way(account, keys))


class Quiet:
    """A real way into a marketplace whose verbs reach nobody; what is pure stays its own."""

    def __init__(self, way: Marketplace) -> None:
        self._way = way

    def __getattr__(self, name: str) -> Any:
        return getattr(self._way, name)

    async def send_feed(self, feed: Feed, spool: Spool) -> str:
        """Read what would be sent, and take it."""
        async for _ in spool.chunks():
            pass
        return f"batch-{feed.id}"

    def reports(self, inbox: Inbox) -> AsyncGenerator[Report, None]:
        """No answer is there."""
        return _nothing(inbox)

    def read_report(self, file: RemoteFile, chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[AnswerLine], None]:
        """What the real one reads."""
        return self._way.read_report(file, chunks)

    def orders(self, inbox: Inbox, *_: object) -> AsyncGenerator[Delivery[Any], None]:
        """No order is there."""
        return _nothing(inbox)

    def claims(self, inbox: Inbox) -> AsyncGenerator[Delivery[Any], None]:
        """Nothing is asked."""
        return _nothing(inbox)

    def update_answers(self, inbox: Inbox) -> AsyncGenerator[Delivery[Any], None]:
        """Nothing was turned down."""
        return _nothing(inbox)

    async def send_update(self, *_: object) -> None:
        """Take it."""

    async def find_update(self, *_: object) -> Whereabouts:
        """It is there."""
        return Whereabouts.ARRIVED

    async def confirm(self, file: RemoteFile) -> None:
        """Whatever was read may be moved."""

    async def aclose(self) -> None:
        """End what the real one began."""
        await self._way.aclose()


async def _nothing(inbox: Inbox) -> AsyncGenerator[Any, None]:
    """What an empty folder brings, once it was compared with what is known."""
    for file in await inbox.unread([]):
        yield file
