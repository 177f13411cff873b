"""How far long work is, told on a terminal's standard error alone: a script and a log see nothing of it."""

import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

#: a command that ends sooner than this says nothing
_PATIENCE_SECONDS = 1.0
_EVERY_SECONDS = 0.2
_CLEAR = "\r\x1b[K"
_KIB = 1024


class Progress:
    """The line of one piece of work; `add` may be called from anywhere in it."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self._what, self._total = what, total
        self._done = 0
        self._since = time.monotonic()

    def add(self, done: int) -> None:
        """So much more is done, in bytes."""
        self._done += done

    def line(self, now: float) -> str:
        """What is told at an instant of the monotonic clock: the work, how much of it, and since when."""
        seconds = f"{now - self._since:.0f} s"
        if self._total:
            return f"{self._what}: {min(100, 100 * self._done // self._total)} % of {_bytes(self._total)}, {seconds}"
        return f"{self._what}: {_bytes(self._done)}, {seconds}" if self._done else f"{self._what}: {seconds}"


@contextmanager
def working(what: str, total: int | None = None) -> Iterator[Progress]:
    """Tell that `what` is being done for as long as the block lasts; `total` is how many bytes there are."""
    progress = Progress(what, total)
    if not sys.stderr.isatty():
        yield progress
        return
    ended = threading.Event()
    thread = threading.Thread(target=_tell, args=(progress, ended), daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join()


def _tell(progress: Progress, ended: threading.Event) -> None:
    # A thread, so that it is told while the loop works too.
    wait, told = _PATIENCE_SECONDS, False
    while not ended.wait(wait):
        sys.stderr.write(f"{_CLEAR}{progress.line(time.monotonic())}")
        sys.stderr.flush()
        wait, told = _EVERY_SECONDS, True
    if told:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()


async def counted(blocks: AsyncIterator[bytes], progress: Progress) -> AsyncIterator[bytes]:
    """The same blocks, counted as they pass."""
    async for block in blocks:
        progress.add(len(block))
        yield block


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < _KIB:
            return f"{size:.0f} {unit}"
        size /= _KIB
    return f"{size:.1f} GiB"
