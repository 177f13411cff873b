"""Names of feeds and updates, very many of them: none is ever given twice, whatever the clocks and the process do.

Feeds are opened and updates decided on the real store as fast as their rules allow, several in one second where they may,
while the wall clock steps forwards and back, the machine boots and the database is opened again. What a marketplace
names after the instant (seconds at La Redoute, microseconds at The Edge) must never come again.
"""

import random
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from daemon.marketplaces.edge.marketplace import Edge
from daemon.marketplaces.sellr.marketplace import Sellr
from daemon.model import (
    AccountName,
    ChannelStatus,
    Delivery,
    Feed,
    LineState,
    Moment,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
    UpdateKind,
)
from daemon.store import Store, open_store
from daemon.store.figures import Figures as StockFigures
from tests.marketplaces.edge.account import account as edge_settings
from tests.marketplaces.sellr import made_up
from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together
from tests.store.conftest import NOON, OFFER_RULE, REDOUTE
from tests.store.test_feeds import LAMP, a_listing
from tests.store.test_payloads import stream
from tests.store.test_updates import LEWIS_MOVES

RULE = replace(OFFER_RULE, interval=timedelta(), one_at_a_time=False)
#: updates decided between two feeds, all in the same microsecond
AT_ONCE = 5


class _Namer:
    """One account at each marketplace, and every name that it has given."""

    def __init__(self, store: Store, chance: random.Random, given: set[str]) -> None:
        self.store = store
        self.chance = chance
        self.given = given
        self.redoute, self.lewis = Sellr(made_up.settings()), Edge(edge_settings())

    async def feed(self, now: Moment, figures: Figures) -> None:
        """Open a feed where that is allowed, and name it for either marketplace."""
        await self.store.listings.put_stock(REDOUTE, StockFigures({LAMP: self.chance.randint(6, 10**6)}), now.at)
        feed = await self.store.feeds.open(REDOUTE, RULE, now)
        if not isinstance(feed, Feed):
            figures.hit["a feed waited for its name to be free"] += 1
            return
        name = self.redoute.feed_name(feed)
        payload, _ = await self.store.payloads.write(stream(b""), now.at)
        await self.store.feeds.spooled(feed, name, payload, now.at)
        self._note(figures, name, self.lewis.feed_name(feed))

    async def updates(self, number: int, now: Moment, figures: Figures) -> None:
        """Decide several updates of one order in one instant."""
        order = OrderNumber(f"Y{number}")
        lines = tuple(OrderLine(str(place), 1, LineState.TO_SHIP) for place in range(AT_ONCE))
        file = RemoteFile("/in", f"order-{number}.txt", 1, NOON)
        delivery = Delivery(file, str(number).encode(), (Order(order, lines),))
        await self.store.orders.keep(REDOUTE, [delivery], now.at)
        for line in lines:
            update = await self.store.updates.open(
                REDOUTE, order, UpdateKind.CANCELLATION, [(line.ref, 1)], legal_moves=LEWIS_MOVES, at=now.at
            )
            self._note(figures, self.redoute.update_name(update), self.lewis.update_name(update))

    def _note(self, figures: Figures, *names: str) -> None:
        for name in names:
            figures.counts["names given"] += 1
            if name in self.given:
                figures.broken.append(f"{name} was given twice")
            self.given.add(name)


async def name_many(seed: int, rounds: int) -> Figures:
    """One seed: so many rounds of a feed and some updates."""
    figures, chance, given = Figures(), random.Random(f"names {seed}"), set[str]()
    passed, wrong_by, boot = timedelta(), timedelta(), 1
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / "sellerd.db"
        async with AsyncExitStack() as opened:
            store = await opened.enter_async_context(open_store(path))
            await store.accounts.configure(AccountName(REDOUTE), "any", "fingerprint", NOON)
            await a_listing(store.database, status=ChannelStatus.OFFER_INTEGRATED)
            namer = _Namer(store, chance, given)
            for number in range(rounds):
                passed += chance.choice([timedelta(), timedelta(microseconds=1), timedelta(seconds=1)])
                drawn = chance.random()
                if drawn < 0.05:
                    figures.hit["the wall clock stepped"] += 1
                    wrong_by = chance.choice([-1, 1]) * timedelta(seconds=chance.choice([0, 1, 60, 3600, 86400]))
                elif drawn < 0.06:
                    figures.hit["a reboot"] += 1
                    boot += 1
                elif drawn < 0.07:
                    figures.hit["the database was opened again"] += 1
                    await opened.aclose()
                    namer.store = await opened.enter_async_context(open_store(path))
                ticks = passed // timedelta(microseconds=1) * 1_000
                now = Moment(NOON + passed + wrong_by, f"boot-{boot}", 10**12 + ticks, not wrong_by)
                await namer.feed(now, figures)
                await namer.updates(number, now, figures)
    return figures


def _run(seed: int, *, rounds: int) -> Figures:
    return anyio.run(name_many, seed, rounds)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--rounds", type=int, default=1_000, help="how many feeds each, with five updates after each")


def _measure(asked: Namespace) -> Iterator[Result]:
    figures = together(partial(_run, rounds=asked.rounds), range(asked.seeds), asked.workers)
    command = f"python -m tests.prove names --seeds {asked.seeds} --rounds {asked.rounds}"
    yield Result("names", command, figures)


METHOD = Method(
    "names",
    "names of very many feeds and order updates, several in one instant, while the wall clock steps and the database is"
    " opened again",
    _options,
    _measure,
)
