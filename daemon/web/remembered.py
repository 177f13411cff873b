"""An answer that is dear to find and asked by many at once: kept for a while that goes by what it took to find it."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")

#: however long it took
_LONGEST_SECONDS = 60.0


class Remembered(Generic[T]):
    """One answer, found once at a time; whoever asks within `patience` times its finding gets the same.

    So pages that refresh themselves take at most one part in `patience` of the database, however many are open.
    """

    def __init__(self, find: Callable[[], Awaitable[T]], patience: float) -> None:
        self._find = find
        self._patience = patience
        self._lock = anyio.Lock()
        self._found: list[T] = []
        self._until = 0.0

    async def get(self) -> T:
        """The answer, found now or a moment ago."""
        async with self._lock:
            began = anyio.current_time()
            if not self._found or began >= self._until:
                self._found = [await self._find()]
                ended = anyio.current_time()
                self._until = ended + min((ended - began) * self._patience, _LONGEST_SECONDS)
            return self._found[0]
