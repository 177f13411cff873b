"""A backup of a drawn age is put back in the middle of a simulated story, while the far side keeps its truth (P29).

The simulation lives on as if nothing had been: its checks, and what the far side recorded, say whether a feed left
inside the hour, and whether anything of an order was said twice.
"""

import os
import random
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

from daemon.model import OrderNumber
from daemon.settings import AccountSettings
from daemon.store.generation import mark_of
from daemon.store.times import to_us
from tests.jobs.world import world
from tests.prove.figures import Figures
from tests.prove.seeded import seeded
from tests.prove.simulation import DIALECT, Simulation

#: how long a story lasts before its backup, between that and its return, and after it, in days at most
BEFORE, AGE, AFTER = 0.5, 1.5, 0.5


@dataclass
class Restored(Simulation):
    """A simulation whose database is put back once."""

    folder: Path = field(default_factory=Path)
    backup: Path = field(default_factory=Path)
    #: how many orders there were when the database was put back; None before that
    old: int | None = None
    #: what the seller's own system holds, by good: stock, and price and recommended price in cents
    stocks: dict[int, int] = field(default_factory=dict)
    prices: dict[int, tuple[int, int | None]] = field(default_factory=lambda: {0: (1000, 2000)})
    ended: dict[int, bool] = field(default_factory=dict)

    # The seller, whose own system forgets nothing.

    async def restocks(self, good: int, stock: int) -> None:
        """As in the simulation."""
        self.stocks[good] = stock
        await super().restocks(good, stock)

    async def reprices(self, good: int, cents: int, rrp: int | None = None) -> None:
        """As in the simulation."""
        self.prices[good] = cents, rrp
        await super().reprices(good, cents, rrp)

    async def ends(self, good: int, ended: bool) -> None:
        """As in the simulation."""
        self.ended[good] = ended
        await super().ends(good, ended)

    async def promotes(self, good: int, cents: int, starts_in: int, lasts: int) -> None:
        """Promotions are no part of this story: the world would have to forget with the database."""

    async def takes_back(self, good: int, which: int) -> None:
        """There are none."""

    async def decides(self, order: int, kind: str, units: int) -> None:
        """He knows what he has sent before, and says it to John Lewis no second time."""
        with self._orders_that_he_may_decide():
            await super().decides(order, kind, units)

    async def cancels(self, order: int, first_only: bool) -> None:
        """As `decides`."""
        with self._orders_that_he_may_decide():
            await super().cancels(order, first_only)

    async def says_again(self, order: int) -> None:
        """As `decides`."""
        with self._orders_that_he_may_decide():
            await super().says_again(order)

    async def accepts_claims(self) -> None:
        """Of a request to cancel that came before, he would have to look what was answered."""
        if self.old is None:
            await super().accepts_claims()

    @contextmanager
    def _orders_that_he_may_decide(self) -> Iterator[None]:
        everything = self.numbers
        if self.old is not None and self.side == "johnlewis":
            self.numbers = everything[self.old :]
        try:
            yield
        finally:
            self.numbers = everything

    async def _brings_everything_again(self) -> None:
        """What the guide of operations asks for: stock and prices are imported anew, each as a change."""
        for good, stock in self.stocks.items():
            await super().restocks(good, stock + 1)
            await super().restocks(good, stock)
        for good, (cents, rrp) in self.prices.items() if self.side == "laredoute" else ():
            await super().reprices(good, cents + 1, rrp)
            await super().reprices(good, cents, rrp)
        for good, ended in self.ended.items():
            await super().ends(good, not ended)
            await super().ends(good, ended)

    # The restore.

    async def is_backed_up(self) -> None:
        """A backup, as the job makes it."""
        self.backup = (await self.scene.store.backups.create(self.folder / "backups", self.now().at)).path

    async def is_put_back(self) -> None:
        """Somebody copies the backup over the database, beside the mark of what was sent since."""
        database = self.scene.store.database.path
        sent = mark_of(database).read_text("ascii")
        await self.scene.store.database.close()
        for left in (f"{database.name}-wal", f"{database.name}-shm"):
            database.with_name(left).unlink(missing_ok=True)
        shutil.copy(self.backup, database)
        at = self.now().at
        await self.restart()
        noticed = self.scene.store.database.restored
        self.figures.counts["databases put back"] += 1
        self.figures.hit["it was noticed" if noticed else "nothing had been sent since"] += 1
        assert noticed or mark_of(database).read_text("ascii") == sent, "a database that was put back is not noticed"
        if noticed:
            # The real clock noticed it, and this story has a clock of its own.
            await self.scene.store.database.write(
                lambda db: db.execute("UPDATE generation SET restored_at = ?", (to_us(at),)).rowcount
            )
        self.old, self.was_wrong = len(self.numbers), True
        # Our own record of who moved which line is gone: for it, all of them were moved by somebody else.
        if self.side == "laredoute":
            orders = self.scene.sandbox.laredoute.orders.values()
            self.touched |= {line.id for order in orders for line in order.lines}
        await self._brings_everything_again()

    async def turn(self, job: str, killed_at: int = 0) -> datetime | None:
        """A turn; the files of John Lewis are as old as the story says."""
        at = self.now().at.timestamp()
        for file in (self.scene.sandbox.johnlewis.files / "live").glob("*/*"):
            if file.is_file() and file.stat().st_mtime > at:
                os.utime(file, (at, at))
        return await super().turn(job, killed_at)

    # What is judged.

    async def check(self) -> None:
        """As in the simulation; and nothing was said twice of any order."""
        await super().check()
        if self.side == "johnlewis":
            said = [it for it in self.scene.sandbox.johnlewis.arrivals if it.folder == "outgoing"]
            # One unit after the other may be cancelled in the same words; the far side counts that there are not too many.
            whole = [it.content for it in said if not it.name.startswith("cancel-")]
            for content, times in Counter(whole).items():
                assert times == 1, f"sent {times} times: {content.decode()}"
            acknowledged = Counter(it.content.splitlines()[1].split(b",")[0] for it in said if "order-" in it.name)
            assert set(acknowledged.values()) <= {1}, f"acknowledged again: {acknowledged.most_common(1)}"

    async def _person_settles_doubts(self) -> None:
        """Under the name that it would have now nothing is found: the person looks for the order."""
        if self.side == "johnlewis" and self.old is not None:
            doubts = await self._read(
                'SELECT o.number, u.name FROM order_updates u JOIN orders o ON o.id = u."order"'
                " WHERE u.state = 'in_doubt'"
            )
            known = {name for (name,) in await self._read("SELECT name FROM order_updates WHERE state <> 'in_doubt'")}
            for number, name in doubts:
                kind = name.partition("-")[0]
                there = any(
                    it.name.startswith(kind) and number.encode() in it.content and it.name not in known
                    for it in self.scene.sandbox.johnlewis.arrivals
                )
                self.vouched |= {name} if there else set()
                self.figures.counts["doubts that a person settled"] += 1
                await self.scene.store.updates.resolve(
                    self.scene.name, OrderNumber(number), arrived=there, at=self.now().at
                )
            return
        await super()._person_settles_doubts()

    async def _check_end_of_orders(self) -> None:
        """What was dispatched since the backup only John Lewis knows; of La Redoute it is read again."""
        if self.side == "laredoute":
            await super()._check_end_of_orders()


async def restore(marketplace: str, seed: int, tell: Callable[[str], None] = lambda _: None) -> Figures:
    """One story with one restore; what breaks a promise stands in the figures, with how to replay it."""
    chance, figures = random.Random(f"restores {marketplace} {seed}"), Figures()
    structlog.configure(processors=[_silent])
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:

        def made(scene: Any, open_again: Callable[[AccountSettings], Any], account: Any) -> Restored:
            story = Restored(scene, open_again, account, tell=tell, chance=chance, figures=figures)
            story.folder = Path(folder)
            return story

        # What lies at the marketplace is read again by a database that does not know it.
        changes = {"after_keeping": "leave"}
        try:
            async with world(Path(folder), DIALECT[marketplace], changes, made) as story:
                await story.live(chance.uniform(0.05, BEFORE))
                await story.is_backed_up()
                await story.live(chance.uniform(0.02, AGE))
                await story.is_put_back()
                await story.live(AFTER)
                await story.end()
        except AssertionError as error:
            tell(traceback.format_exc())
            again = f"python -m tests.prove restores --marketplace {marketplace} --seed {seed} --tell"
            figures.broken.append(f"{error} (again: {again})")
        finally:
            structlog.reset_defaults()
    return figures


def _silent(*_: Any) -> Any:
    raise structlog.DropEvent


METHOD = seeded(
    "restores",
    "a backup of a drawn age is put back in the middle of a simulated story, while the far side keeps its truth",
    restore,
    seeds=200,
)
