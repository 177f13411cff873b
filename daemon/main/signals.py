"""Signals as they come, from the moment at which somebody listens to them until the process has ended (D1, D4, P20)."""

import asyncio
import signal
from asyncio import Queue
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import FrameType

#: what the daemon listens to: a reload, and two ways to be told to stop
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


@contextmanager
def listening() -> Iterator[AsyncIterator[signal.Signals]]:
    """Give the signals that come while the block lasts, each once; from then on they are ignored, for good.

    What is left then is to close the database and to leave: said once more, the same signal would kill it in that.
    The receivers of asyncio and anyio go back to what kills first, and a signal finds that moment. To be entered in the
    main thread.
    """
    loop, arrived = asyncio.get_running_loop(), Queue[signal.Signals]()

    def take(number: int, _: FrameType | None) -> None:
        # It comes in the middle of anything: the loop hands it out, woken up where it sleeps.
        loop.call_soon_threadsafe(arrived.put_nowait, signal.Signals(number))

    async def coming() -> AsyncIterator[signal.Signals]:
        while True:
            yield await arrived.get()

    for number in SIGNALS:
        signal.signal(number, take)
    try:
        yield coming()
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
