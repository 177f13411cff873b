"""The real daemon, killed at the n-th of its database commits or network sends, started again and held to its promises.

`strace` kills the process on its entry into a system call, so n = 1, 2, 3 … are all the points between two calls. A run
sends items and offers to La Redoute, stock to John Lewis, takes an order from each, accepts or acknowledges and
dispatches it. What is judged is what the far sides recorded.
"""

import logging
import os
import shutil
import signal
import subprocess
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx

from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings
from daemon.sandbox.orders import Status
from daemon.store import read_store
from tests.prove.canaries import heard
from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together
from tests.test_crash import EANS, INTERVAL, PARTS, accounts, fill, secrets
from tests.test_daemon_process import Site

#: the calls at which the process is killed: the end of a commit, and every send on a socket
CALLS = ("fdatasync", "sendto")
#: seconds within which everything must have settled after the restart, on a machine that does other things too
SETTLES_WITHIN = 240
_STRACE = ["strace", "-f", "-qqq"]
NUMBERS = "2026000001", "Y200000001"


class Flow:
    """One installation between two far sides, and a seller who dispatches what is to be shipped."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.site = Site(folder)
        self.database = folder / "state" / "sellerd.db"
        self.site.write(accounts(sandbox))
        #: how often a person had to say what became of an update
        self.asked_a_person = 0

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        async with read_store(self.database) as store:
            return await store.database.read(lambda db: [tuple(row) for row in db.execute(sql).fetchall()])

    async def settled(self) -> bool:
        """Whether nothing waits and nothing is on its way."""
        open_ones = await self.rows(
            "SELECT 1 FROM feeds WHERE state IN ('sending', 'sent', 'in_doubt')"
            " UNION ALL SELECT 1 FROM listings WHERE 'pending' IN (item_state, stock_state, price_state)"
            " OR 'sent' IN (item_state, stock_state, price_state)"
            " UNION ALL SELECT 1 FROM order_updates WHERE state NOT IN ('succeeded', 'failed')"
        )
        shipped = await self.rows("SELECT 1 FROM order_lines WHERE state IN ('shipped', 'completed')")
        return not open_ones and len(shipped) == 3

    async def ships(self) -> None:
        """The seller says that what is to be shipped has left; said twice, it is turned down."""
        for account, number in await self.rows(
            'SELECT DISTINCT o.account, o.number FROM orders o JOIN order_lines l ON l."order" = o.id'
            " WHERE l.state = 'to_ship'"
        ):
            parcel = {"carrier": "dpd", "tracking_number": "15500000000001", "tracking_url": "https://t.example.test/1"}
            await self._asks(f"{account}/orders/{number}/ship", parcel)

    async def settles_doubts(self) -> None:
        """The Edge cannot be asked for a file of which nothing is there: a person looks, and says so (promise P8)."""
        for name, number in await self.rows(
            'SELECT u.name, o.number FROM order_updates u JOIN orders o ON o.id = u."order"'
            " WHERE u.state = 'in_doubt' AND u.account = 'lewis'"
        ):
            outgoing = self.sandbox.johnlewis.files / "live" / "outgoing"
            arrived = any(it.name == name for it in self.sandbox.johnlewis.arrivals)
            if arrived or not (outgoing / name).exists():
                self.asked_a_person += await self._asks(f"lewis/orders/{number}/resolve", {"arrived": arrived})

    async def _asks(self, path: str, body: dict[str, Any]) -> bool:
        with suppress(httpx.HTTPError):
            transport = httpx.AsyncHTTPTransport(uds=str(self.site.folder / "state" / "control.sock"))
            async with httpx.AsyncClient(base_url="http://sellerd", transport=transport, timeout=20) as client:
                return (await client.post(f"/api/v1/accounts/{path}", json=body)).status_code == httpx.codes.OK
        return False

    async def goes_on_until_settled(self) -> None:
        """Ship and wait."""
        while not await self.settled():
            await self.ships()
            await self.settles_doubts()
            await anyio.sleep(0.1)

    async def broken(self) -> list[str]:
        """Every promise that the far sides' own record shows broken."""
        redoute, lewis = self.sandbox.laredoute, self.sandbox.johnlewis
        stored = [number for (number,) in await self.rows("SELECT number FROM orders ORDER BY number")]
        names = Counter(it.name for it in lewis.arrivals)
        found = {
            "P1 two offer feeds came too close": min(redoute.offer_gaps(all_requests=True), default=INTERVAL)
            >= INTERVAL,
            "P2 the stock there is not ours": {ean: int(it.stock) for ean, it in redoute.offers.items()}
            == dict.fromkeys(EANS.values(), 9)
            and {part: it.free for part, it in lewis.stock.items()} == dict.fromkeys(PARTS.values(), 9),
            "P6 a name came twice": set(names.values()) == {1},
            "P7 an order is lost or doubled": stored == sorted(NUMBERS),
            "P8 something sent was turned down": all(
                it.outcome == "accepted" for it in lewis.arrivals if it.folder == "outgoing"
            )
            and await self.rows("SELECT 1 FROM order_updates WHERE state = 'failed'") == [],
            "P14 an order did not come to its end": all(
                line.status is Status.SHIPPED for order in redoute.orders.values() for line in order.lines
            )
            and all(
                line.dispatched == line.quantity for order in lewis.orders.values() for line in order.lines.values()
            ),
        }
        shown = [(it.name, it.outcome) for it in lewis.arrivals if it.outcome != "accepted"]
        return [f"{name} {shown or ''}".strip() for name, holds in found.items() if not holds]

    def torn(self) -> int:
        """How many stock files John Lewis took half or empty: they have no marker, and one that is whole follows."""
        arrivals = self.sandbox.johnlewis.arrivals
        return sum(it.folder == "inventory" and it.outcome != "accepted" for it in arrivals)


@asynccontextmanager
async def flow() -> AsyncGenerator[Flow, None]:
    """A fresh installation and fresh far sides with an order each."""
    # The process writes where a disk would be; the files of a run live in memory where there is such a place.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        sides = SandboxSettings(
            folder / "sandbox",
            laredoute=LaRedouteSettings(delay=0.2),
            johnlewis=JohnLewisSettings(poll_every=0.02, accepted="leave"),
        )
        async with Sandbox(sides) as sandbox:
            told = Flow(folder, sandbox)
            try:
                await fill(told.database)
                sandbox.laredoute.place_order([(EANS["LAMP-1"], 1), (EANS["LAMP-2"], 2)], NUMBERS[0])
                sandbox.johnlewis.place_order(PARTS["CHAIR-1"], 2, number=NUMBERS[1])
                yield told
            finally:
                told.site.close()


def _kill_children(pid: int) -> None:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for child in children.read_text("ascii").split() if children.exists() else ():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


async def _until_it_ends_or(site: Site, secrets: dict[str, str], wait: Callable[[], Any]) -> bool:
    """Run the daemon under strace until it dies, or until `wait` is over; whether it died by itself."""
    async with site.started(**secrets) as process:
        died = False

        async def watch(scope: anyio.CancelScope) -> None:
            nonlocal died
            await process.ended()
            died = True
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch, group.cancel_scope)
            await wait()
            group.cancel_scope.cancel()
        if not died:
            _kill_children(process.pid)
            await process.ended()
        return died


async def count_calls() -> dict[str, int]:
    """How often the thread that makes a call most makes it, in a run that nobody disturbs."""
    async with flow() as told:
        log = told.site.folder / "calls"
        told.site.prefix = [*_STRACE, "-o", str(log), "-e", f"trace={','.join(CALLS)}"]
        with anyio.fail_after(SETTLES_WITHIN):
            await _until_it_ends_or(told.site, secrets(told.sandbox), told.goes_on_until_settled)
        lines = log.read_text("utf-8", "replace").splitlines()
    made = Counter((line.split()[0], line.split()[1].partition("(")[0]) for line in lines if len(line.split()) > 1)
    return {call: max(count for (_, name), count in made.items() if name == call) for call in CALLS}


async def kill_at(call: str, number: int) -> Figures:
    """Kill the daemon at one point, start it again, and say what of its promises is broken."""
    figures = Figures()
    async with flow() as told:
        told.site.prefix = [
            *(*_STRACE, "-o", "/dev/null"),
            *("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"),
        ]
        try:
            with anyio.fail_after(SETTLES_WITHIN):
                died = await _until_it_ends_or(told.site, secrets(told.sandbox), told.goes_on_until_settled)
            told.site.prefix, first = [], told.site.errors
            async with told.site.running(**secrets(told.sandbox)):
                with anyio.fail_after(SETTLES_WITHIN):
                    await told.goes_on_until_settled()
        except TimeoutError:
            figures.broken.append(f"killed at {call} {number}: it did not settle within {SETTLES_WITHIN} s")
            return figures
        figures.counts[f"killed at {call}" if died else f"past the last {call}"] += 1
        figures.counts["doubts that a person settled"] += told.asked_a_person
        figures.hit["a stock file was taken half or empty, and came again whole"] += told.torn()
        figures.counts["offer feeds received"] += len(told.sandbox.laredoute.feeds)
        broken = [*await told.broken(), *(f"P25 {said}" for said in heard(first + told.site.errors, "the log"))]
        figures.counts["log lines without a canary"] += len((first + told.site.errors).splitlines())
        figures.broken += [f"killed at {call} {number}: {what}" for what in broken]
    return figures


def available() -> bool:
    """Whether processes can be traced here."""
    if shutil.which(_STRACE[0]) is None:
        return False
    return subprocess.run([*_STRACE, "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0


def _killed(point: tuple[str, int]) -> Figures:
    # The sandbox's web server logs every client that dies.
    logging.disable(logging.CRITICAL)
    return anyio.run(kill_at, *point)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--every", type=int, default=1, help="each n-th point")
    parser.add_argument("--at", metavar="CALL:N", help="this point alone")


def _measure(asked: Namespace) -> Iterator[Result]:
    again = "python -m tests.prove crashpoints"
    if not available():
        raise SystemExit("strace is missing or may not trace here: scripts/install-test-servers")
    if asked.at:
        call, _, number = asked.at.partition(":")
        yield Result("crashpoints", f"{again} --at {asked.at}", _killed((call, int(number))), kept=False)
        return
    counted = anyio.run(count_calls)
    points = [(call, number) for call, last in counted.items() for number in range(1, last + 1, asked.every)]
    yield Result("crashpoints", f"{again} --every {asked.every}", together(_killed, points, asked.workers))


METHOD = Method(
    "crashpoints",
    "the real process is killed at each of its database commits and network sends, and started again",
    _options,
    _measure,
)
