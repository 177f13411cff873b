"""When something happened, by the wall and by the kernel's boot clock, and what is to happen later."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import anyio


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant: `at` is UTC, `boot` is CLOCK_BOOTTIME in seconds, which no clock step moves."""

    at: datetime
    boot: float

    @classmethod
    def now(cls) -> "Moment":
        """Read both clocks."""
        return cls(datetime.now(UTC), time.clock_gettime(time.CLOCK_BOOTTIME))


class Stamps:
    """Twenty digits for file names, `yyyymmddhhmmss` and microseconds in UTC, always growing (Edge section 1)."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def next(self) -> str:
        """Give the next stamp: now, or one microsecond after the last one."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last.strftime("%Y%m%d%H%M%S%f")


@dataclass(frozen=True, slots=True)
class _Entry:
    due: float
    action: Callable[[], None]
    held: bool


class Agenda:
    """What a far side does later, in the order in which it was asked.

    `delay` is the usual wait in seconds; None waits for `run_now`.
    """

    def __init__(self, delay: float | None) -> None:
        self._delay = math.inf if delay is None else delay
        self._entries: list[_Entry] = []
        self._changed = anyio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, action: Callable[[], None], *, hold: float = 0.0) -> None:
        """Do `action` after the usual delay; one that is held for `hold` seconds more is not hurried by `run_now`."""
        delay = hold if hold and math.isinf(self._delay) else self._delay + hold
        self._entries.append(_Entry(anyio.current_time() + delay, action, held=hold > 0))
        self._changed.set()

    def run_now(self, *, held: bool = False) -> None:
        """Do everything that waits at this moment, with `held` the held things too."""
        now = anyio.current_time()
        self._run(lambda entry: held or not entry.held or entry.due <= now)

    async def run(self) -> None:
        """Do each thing when it is due, for ever."""
        while True:
            self._changed = anyio.Event()
            due = min((entry.due for entry in self._entries), default=math.inf)
            with anyio.move_on_after(due - anyio.current_time()):
                await self._changed.wait()
            now = anyio.current_time()
            self._run(lambda entry, now=now: entry.due <= now)  # type: ignore[misc]

    def _run(self, wanted: Callable[[_Entry], bool]) -> None:
        chosen = [entry for entry in self._entries if wanted(entry)]
        self._entries = [entry for entry in self._entries if entry not in chosen]
        for entry in chosen:
            entry.action()
