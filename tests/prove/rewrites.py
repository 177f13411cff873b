"""Pairs of order files of one name, or of one order: the second says something else, and that must be seen (P11, J14).

The first is kept, and its order has gone a part of its way, before the second stands in its place: as long as the first
or not, written in the same second, before or after it. What the second says must change nothing, and a person must be
told, once, with its bytes; where it says the same, nobody is. A first file whose checksum does not fit is completed.
"""

import os
import random
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from daemon.jobs.orders import download_orders
from daemon.jobs.updates import send_updates
from daemon.model import Parcel, UpdateKind
from daemon.sandbox.edge_orders import EdgeOrder
from tests.jobs.scene import HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene
from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together

PARCEL = Parcel("dpd", "15501234567890", "https://track.example.test/15501234567890", NOON)
#: when the first files were written
_SECOND = 1_705_313_701
#: what a file may say instead, each by (what is there, what comes in its place); most are as long as before
CHANGES: Mapping[str, tuple[bytes, bytes]] = {
    "the number of units": (rb'"1","12345678","3"', b'"1","12345678","2"'),
    "the stock number": (rb'"1","12345678"', b'"1","12345679"'),
    "the reference of a line": (rb'"2","87654321"', b'"3","87654321"'),
    "the recipient": (rb"Customer", b"Costumer"),
    "the address": (rb"Test Street", b"Test Street, second door"),
    "the day of the order": (rb'"2024-01-15T', b'"2024-01-16T'),
    "the title": (rb"Test article 1", b"Best article 1"),
    "a field that nobody knows": (rb'"R([0-9]+)"', rb'"Q\1"'),
    "a line more": (rb'"2","87654321"(.*)\n"5"', b'"2","87654321"\\1\n"9","87654321"\\1\n"6"'),
    "a line less": (rb'"2","87654321".*\n"5"', b'"4"'),
    "an order that is not whole": (rb'"5"\n$', b'"7"\n'),
    "no order at all": (rb"(?s).*", b"no order"),
}
#: and what changes its bytes alone: under its old name that is told as well, under a new one the order is the same
_ONLY_BYTES: Mapping[str, tuple[bytes, bytes]] = {"the ends of lines": (rb"\n", b"\r\n")}
_NOTHING: Mapping[str, tuple[bytes, bytes]] = {"nothing": (rb"$^", b"")}
#: of these no order can be told, only the file
_NO_ORDER = frozenset({"an order that is not whole", "no order at all"})
#: how far an order has come when its second file is there; those that come farthest begin first
STAGES = ("dispatched", "to ship", "acknowledged", "kept")
#: when a file was written, in seconds after the first ones
TIMES = {"the same second": 0, "a second later": 1, "a day earlier": -86_400}


@dataclass
class _Pair:
    """One order, and what stands there for it the second time, under which name and of which time."""

    order: EdgeOrder
    stage: str
    what: str
    time: str
    name: str
    content: bytes
    before: tuple[Any, ...] = ()

    @property
    def renamed(self) -> bool:
        return self.name != self.order.file_name

    @property
    def says_the_same(self) -> bool:
        return self.what in _NOTHING or (self.what in _ONLY_BYTES and self.renamed)

    def __str__(self) -> str:
        return f"{self.order.number} {self.stage}: {self.what}, {self.time}, {self.name}"


async def rewrite_many(seed: int, count: int) -> Figures:
    """One seed: so many pairs at one account."""
    figures, chance = Figures(), random.Random(f"rewrites {seed}")
    after_keeping = ("move", "delete", "leave")[seed % 3]
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        async with scene(Path(folder), "edge", after_keeping=after_keeping) as lewis:
            await lewis.want()
            stages = [chance.choice(STAGES) for _ in range(count)]
            pairs = [
                pair
                for place, stage in enumerate(STAGES)
                for pair in await _begin(lewis, chance, stage, stages.count(stage), (1 + 2 * place) * HOUR)
            ]
            half = await _half(lewis, 9 * HOUR)
            for pair in pairs:
                pair.before = await _order(lewis, pair.order.number)
                _put(lewis, pair.name, pair.content, TIMES[pair.time])
            _put(lewis, half.file_name, half.content, 1)
            await lewis.turn(download_orders, 10 * HOUR)
            for pair in pairs:
                await _look(lewis, pair, figures)
            again = await lewis.turn(download_orders, 11 * HOUR)
            if again.note or again.done:
                figures.broken.append(f"seed {seed}: told again at the next turn: {again}")
            completed = await lewis.rows("SELECT 1 FROM orders WHERE number = ? AND incomplete = ''", half.number)
            if not completed:
                figures.broken.append(f"seed {seed}: {half.number} was not completed")
            figures.counts["incomplete orders completed"] += len(completed)
    return figures


async def _begin(lewis: Scene, chance: random.Random, stage: str, count: int, at: timedelta) -> list[_Pair]:
    """Some orders, brought as far as `stage` says."""
    pairs = [_draw(lewis, chance, stage) for _ in range(count)]
    await lewis.turn(download_orders, at)
    if stage == "kept":
        return pairs
    await lewis.turn(send_updates, at + MINUTE)
    if stage == "acknowledged":
        return pairs
    await lewis.answer()
    await lewis.turn(send_updates, at + HOUR)
    if stage == "dispatched":
        for pair in pairs:
            await lewis.decide(pair.order.number, UpdateKind.DISPATCH, after=at + HOUR, parcel=PARCEL)
        await lewis.turn(send_updates, at + HOUR + MINUTE)
    return pairs


def _draw(lewis: Scene, chance: random.Random, stage: str) -> _Pair:
    order = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 3, ("87654321", 1))
    _put(lewis, order.file_name, order.content, 0)
    every = {**CHANGES, **_ONLY_BYTES, **_NOTHING}
    what = chance.choice(list(every))
    content = re.sub(*every[what], order.content, count=0 if what in _ONLY_BYTES else 1)
    name = chance.choice([order.file_name] * 3 + [f"order-9{order.file_name[7:]}"])
    times = list(TIMES)
    if _leaves(lewis) and len(content) == len(order.content):
        # It lies there all the time: of the same length and second, nothing tells that it was written again.
        times.remove("the same second")
    return _Pair(order, stage, what, chance.choice(times), name, content)


async def _half(lewis: Scene, at: timedelta) -> EdgeOrder:
    """An order whose file, as it is kept, has fewer lines than its checksum says."""
    order = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
    _put(lewis, order.file_name, order.content.replace(b'"4"\n', b'"6"\n'), 0)
    await lewis.turn(download_orders, at)
    return order


def _leaves(lewis: Scene) -> bool:
    return bool(lewis.account.model_dump()["after_keeping"] == "leave")


def _put(lewis: Scene, name: str, content: bytes, later: int) -> None:
    folder = lewis.sandbox.johnlewis.files / "live" / "incoming"
    (folder / name).write_bytes(content)
    os.utime(folder / name, (_SECOND + later, _SECOND + later))
    (folder / f"{name}.DONE").touch()


async def _order(lewis: Scene, number: str) -> tuple[Any, ...]:
    """All that is kept of an order but what came for it."""
    asked = (
        "SELECT ordered_at, test, incomplete, extra FROM orders WHERE number = ?",
        'SELECT l.* FROM order_lines l JOIN orders o ON o.id = l."order" WHERE o.number = ?',
        'SELECT c.* FROM customers c JOIN orders o ON o.id = c."order" WHERE o.number = ?',
        'SELECT u.kind, u.state, u.name FROM order_updates u JOIN orders o ON o.id = u."order" WHERE o.number = ?',
    )
    return tuple([await lewis.rows(sql, number) for sql in asked])


async def _look(lewis: Scene, pair: _Pair, figures: Figures) -> None:
    """Whether the second file was seen, kept and told, and changed nothing."""
    figures.hit[f"{pair.what}, {pair.time}"] += 1
    figures.hit[f"an order that was {pair.stage}"] += 1
    faults = []
    if await _order(lewis, pair.order.number) != pair.before:
        faults.append("the order was changed")
    told = await lewis.rows("SELECT reason, payload FROM deliveries WHERE name = ? AND state = 'set_aside'", pair.name)
    errors = await lewis.rows(
        'SELECT 1 FROM order_errors e JOIN orders o ON o.id = e."order"'
        " WHERE o.number = ? AND e.kind = 'other_content' AND e.mended_at IS NULL",
        pair.order.number,
    )
    stands = (lewis.sandbox.johnlewis.files / "live" / "incoming" / pair.name).exists()
    if pair.says_the_same:
        figures.counts["pairs that say the same"] += 1
        faults += ["a person was told of nothing"] * bool(told or errors)
        faults += ["it still stands there"] * (stands and not _leaves(lewis))
    else:
        figures.counts["pairs that differ"] += 1
        shown = [(bool(reason), await lewis.bytes_of(payload)) for reason, payload in told]
        faults += ["it was not seen, or not kept"] * (shown != [(True, pair.content)])
        faults += ["the order does not say so"] * (not errors and pair.what not in _NO_ORDER)
        faults += ["it was put away"] * (not stands)
    figures.broken += [f"{pair}: {fault}" for fault in faults]


def _run(seed: int, *, pairs: int) -> Figures:
    return anyio.run(rewrite_many, seed, pairs)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=120, help="how many seeds; each third leaves files where they lie")
    parser.add_argument("--pairs", type=int, default=100, help="how many pairs each")


def _measure(asked: Namespace) -> Iterator[Result]:
    figures = together(partial(_run, pairs=asked.pairs), range(asked.seeds), asked.workers)
    yield Result("rewrites", f"python -m tests.prove rewrites --seeds {asked.seeds} --pairs {asked.pairs}", figures)


METHOD = Method(
    "rewrites",
    "order files that come a second time and say something else, of the same length and second or not, while their order"
    " goes its way: each must be seen, kept and told, and change nothing",
    _options,
    _measure,
)
