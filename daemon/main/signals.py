"""Signals as they come, from the moment at which somebody listens to them until the process has ended (D1, D4, P20)."""

import operator
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from anyio import wait_readable

#: what the daemon listens to: a reload, and two ways to be told to stop
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
_AT_ONCE = 4096


@contextmanager
def listening() -> Iterator[AsyncIterator[signal.Signals]]:
    """Give the signals that come while the block lasts; from then on they are ignored, for good.

    What is left then is to close the database and to leave: said once more, the same signal would kill it in that.
    The receivers of asyncio and anyio go back to what kills first, and a signal finds that moment. To be entered in the
    main thread, and nothing else in the process may listen to signals meanwhile.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)

        async def coming() -> AsyncIterator[signal.Signals]:
            while True:
                await wait_readable(ours)
                for number in ours.recv(_AT_ONCE):
                    yield signal.Signals(number)

        # The interpreter writes the number of each signal into the socket. What it calls besides has nothing to do, and
        # is no Python: that could be interrupted by the next signal, and that one again.
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, operator.is_)
        try:
            yield coming()
        finally:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            signal.set_wakeup_fd(-1)
