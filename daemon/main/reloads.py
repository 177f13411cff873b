"""The reloads that were asked for: who asks waits until the files run or are refused, or the daemon stops (D4)."""

from dataclasses import dataclass, field

import anyio


@dataclass(slots=True)
class Reload:
    """A reload that was asked for; `problems` and `stopped` say how it ended."""

    ended: anyio.Event = field(default_factory=anyio.Event)
    problems: tuple[str, ...] = ()
    stopped: bool = False


class Reloads:
    """Several that were asked for at once are one; who asks after the files were read waits for the next one."""

    def __init__(self) -> None:
        self._asked: list[Reload] = []
        self._taken: list[Reload] = []
        self._news = anyio.Event()
        self._closed = False

    def ask(self) -> Reload:
        """Ask for one; once they are closed it ends as stopped."""
        asked = Reload(stopped=self._closed)
        if self._closed:
            asked.ended.set()
        else:
            self._asked.append(asked)
            self._news.set()
        return asked

    async def take(self) -> bool:
        """Wait until one is asked for, and take all that are; False once they are closed."""
        while not self._closed:
            await self._news.wait()
            self._news = anyio.Event()
            if self._asked and not self._closed:
                self._taken, self._asked = self._asked, []
                return True
        return False

    def settle(self, problems: tuple[str, ...] = ()) -> None:
        """Answer those that were taken."""
        for asked in self._taken:
            asked.problems = problems
            asked.ended.set()
        self._taken = []

    def close(self) -> None:
        """Take none any more; those that wait are answered by `abandon`."""
        self._closed = True
        self._news.set()

    def abandon(self) -> None:
        """Answer all that are left: the daemon has stopped."""
        for asked in (*self._taken, *self._asked):
            asked.stopped = True
            asked.ended.set()
