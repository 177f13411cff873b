"""What health and metrics ask of the running daemon, and how they ask without waiting for ever (D5)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup

from daemon.errors import StoreError
from daemon.health import Figures, Verdict

T = TypeVar("T")

_PATIENCE_SECONDS = 2.0


class Watched(Protocol):
    """How the running daemon is; whatever hangs, each answers within about 2 seconds."""

    async def health(self) -> Verdict:
        """The verdict of this moment."""
        ...

    async def hindrances(self) -> list[str]:
        """What keeps the process from its work; none where it is ready. It costs the same with any number of jobs."""
        ...

    async def figures(self) -> Figures | None:
        """What the metrics show beside it; None when the database did not answer in time."""
        ...


@dataclass(slots=True)
class _Asking(Generic[T]):
    """One asking of the question; `answers` is empty until it is answered, and stays so when it failed."""

    answers: list[T] = field(default_factory=list)
    ended: anyio.Event = field(default_factory=anyio.Event)


class Question(Generic[T]):
    """One question to the database, asked once at a time; whoever asks meanwhile gets the same answer.

    A read of the database cannot be cancelled, so it goes on in `group` when those who asked have given up.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._asking: _Asking[T] | None = None
        #: the last answer, however old
        self.latest: T | None = None

    async def ask(self, group: TaskGroup) -> T | None:
        """The answer of now; None when the database failed or did not answer within 2 seconds."""
        asking = self._asking
        if asking is None:
            asking = self._asking = _Asking()
            group.start_soon(self._put, asking)
        with anyio.move_on_after(_PATIENCE_SECONDS):
            await asking.ended.wait()
        return asking.answers[0] if asking.answers else None

    async def _put(self, asking: _Asking[T]) -> None:
        try:
            self.latest = await self._read()
            asking.answers.append(self.latest)
        except StoreError:
            # No answer is the answer: the verdict says that the database does not give one.
            pass
        finally:
            self._asking = None
            asking.ended.set()
