"""The jobs: each a plain function from one turn to its outcome that reads like the guide's sentence."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from daemon.config import Config
from daemon.marketplaces import Marketplace
from daemon.model import AccountName, Moment
from daemon.settings import AccountSettings
from daemon.store import Store


@dataclass(frozen=True, slots=True)
class Run:
    """One turn of one job. `now` was read once, at its top; `clock` is for the end of a send alone (L8)."""

    account: AccountSettings
    now: Moment
    store: Store
    marketplace: Marketplace
    clock: Callable[[], Moment]

    @property
    def name(self) -> AccountName:
        """The account's name."""
        return AccountName(self.account.name)


@dataclass(frozen=True, slots=True)
class SiteRun:
    """One turn of one job that belongs to no account, with the configuration of its time; otherwise as `Run`."""

    config: Config
    now: Moment
    store: Store
    clock: Callable[[], Moment]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ended: how many things it did, when to come again if something is held, and a note for people.

    `due_at` is when something becomes due by itself: nothing is held, and the next tick may come later than that.
    """

    done: int = 0
    held_until: datetime | None = None
    note: str = ""
    due_at: datetime | None = None

    @property
    def again_at(self) -> datetime | None:
        """When the job should have one more turn beside its ticks."""
        return min(filter(None, (self.held_until, self.due_at)), default=None)


Job = Callable[[Run], Awaitable[Outcome]]
SiteJob = Callable[[SiteRun], Awaitable[Outcome]]
