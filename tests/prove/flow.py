"""The main flow of one installation: a real daemon process between the far sides, a seller, and two customers.

Items and offers go to La Redoute, stock to John Lewis. Five orders come; between them they are accepted, acknowledged,
dispatched, refused, cancelled, refunded, and asked to be cancelled. What is judged is what the far sides recorded.
"""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx

from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings
from daemon.sandbox.orders import Status
from daemon.store import read_store
from tests.test_crash import EANS, INTERVAL, PARTS, accounts, fill, secrets
from tests.test_daemon_process import Process, Site

#: seconds within which everything must have settled, on a machine that does other things too
SETTLES_WITHIN = 600
#: strace as everything here runs it; with `PASSES` calls that nobody asked for go past it, but strace 6.1 then sends no
#: signals
STRACE = ["strace", "-f", "-qqq"]
PASSES = "--seccomp-bpf"
#: how often the seller and the customers look whether they have something to do, in seconds
_LOOKS_EVERY = 0.1
#: how long strace may go on when the process that it traced is dead, in seconds
_STRACE_ENDS_WITHIN = 5.0

_PARCEL = {"carrier": "dpd", "tracking_number": "15500000000001", "tracking_url": "https://t.example.test/1"}


@dataclass(frozen=True, slots=True)
class Deed:
    """What the seller asks for of an order, once a line of it is in `state`; with no `path` the claim is accepted."""

    path: str
    state: str
    body: dict[str, Any] = field(default_factory=dict)


#: The seller's deeds for each order, one after the other.
_DEEDS = {
    ("redoute", "2026000001"): (
        Deed("ship", "to_ship", _PARCEL),
        Deed("cancel", "shipped", {"lines": [{"ref": "202600000101"}], "reason": "came back"}),
    ),
    # More than there is in stock, so that nobody accepts it.
    ("redoute", "2026000002"): (Deed("cancel", "new"),),
    ("lewis", "Y200000001"): (
        Deed("ship", "to_ship", _PARCEL),
        Deed("refund", "shipped", {"lines": [{"ref": "1", "quantity": 1}], "reason": "came back"}),
    ),
    ("lewis", "Y200000002"): (Deed("", "to_ship"), Deed("ship", "to_ship", _PARCEL)),
    ("lewis", "Y200000003"): (Deed("cancel", "to_ship", {"reason": "not there"}),),
}
NUMBERS = tuple(number for _, number in _DEEDS)
#: what the far sides make of them: by line, or dispatched, cancelled and refunded units
_ENDS_REDOUTE = {"2026000001": [Status.REFUNDED, Status.SHIPPED], "2026000002": [Status.REFUSED]}
_ENDS_LEWIS = {"Y200000001": [(2, 0, 1)], "Y200000002": [(2, 1, 0)], "Y200000003": [(0, 1, 0)]}
_CLAIMED = "Y200000002"
#: updates that an order has without the seller: the acceptance of what is in stock, the acknowledgement
_BY_ITSELF = {"2026000002": 0}


class Flow:
    """One installation between two far sides, and a seller who does what is to be done."""

    def __init__(self, folder: Path, sandbox: Sandbox, more: str = "", every: str = "") -> None:
        """`every` adds to how often the jobs of an account come, `more` to the configuration."""
        self.sandbox = sandbox
        self.site = Site(folder)
        self.site.deadline = SETTLES_WITHIN
        self.database = folder / "state" / "sellerd.db"
        every += ', refunds = "1s"'
        #: what stands in config.toml
        self.configuration = accounts(sandbox, every, f'{every}, claims = "1s"', answer_wait="300ms") + more
        self.site.write(self.configuration)
        self.secrets = secrets(sandbox)
        #: how often a person had to say what became of an update
        self.asked_a_person = 0

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        async with read_store(self.database) as store:
            return await store.database.read(lambda db: [tuple(row) for row in db.execute(sql).fetchall()])

    async def settled(self) -> bool:
        """Whether every order came to its end, nothing waits and nothing is on its way."""
        open_ones = await self.rows(
            "SELECT 1 FROM feeds WHERE state IN ('sending', 'sent', 'in_doubt')"
            " UNION ALL SELECT 1 FROM listings WHERE 'pending' IN (item_state, stock_state, price_state)"
            " OR 'sent' IN (item_state, stock_state, price_state)"
            " UNION ALL SELECT 1 FROM order_updates WHERE state NOT IN ('succeeded', 'failed')"
            " UNION ALL SELECT 1 FROM order_lines WHERE state NOT IN"
            " ('refused', 'shipped', 'completed', 'cancelled', 'refunded')"
        )
        decided = dict(await self._updates())
        return not open_ones and all(decided.get(number) == _expected(key) for key in _DEEDS for number in key[1:])

    async def goes_on(self) -> None:
        """Whatever the seller, the customers and who settles doubts have to do now, once."""
        lewis = self.sandbox.johnlewis
        if lewis.orders[_CLAIMED].acknowledged and not lewis.orders[_CLAIMED].requests:
            lewis.request_cancellation(_CLAIMED, {"1": 1}, reason="changed my mind")
        states = {(number, state) for number, state in await self.rows(_STATES)}
        decided, busy = dict(await self._updates()), {number for (number,) in await self.rows(_BUSY)}
        for (account, number), deeds in _DEEDS.items():
            done = decided.get(number, 0) - _BY_ITSELF.get(number, 1)
            if not 0 <= done < len(deeds) or number in busy or (number, deeds[done].state) not in states:
                continue
            if deeds[done].path:
                key = f"{number}-{done}"
                path = f"{account}/orders/{number}/{deeds[done].path}"
                await self._asks(path, json=deeds[done].body, headers={"Idempotency-Key": key})
            for (claim,) in [] if deeds[done].path else await self.rows("SELECT id FROM claims WHERE state = 'open'"):
                await self._asks(f"{account}/claims/{claim}/accept", json={})
        await self.settles_doubts()

    async def ships(self) -> None:
        """Say of every other order whose goods are to leave that they have left; said twice, it is turned down."""
        for account, number in await self.rows(
            'SELECT DISTINCT o.account, o.number FROM orders o JOIN order_lines l ON l."order" = o.id'
            " WHERE l.state = 'to_ship'"
        ):
            if (account, number) not in _DEEDS:
                await self._asks(f"{account}/orders/{number}/ship", json=_PARCEL)

    async def imports(self, account: str, kind: str, table: str) -> bool:
        """The seller brings a CSV file; whether the daemon took it."""
        return await self._asks(f"{account}/imports/{kind}", content=table, headers={"content-type": "text/csv"})

    async def goes_on_until_settled(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Do what is to be done, and wait, until everything has settled or it is `enough`."""
        while not await self.settled() and not enough():
            await self.goes_on()
            await anyio.sleep(_LOOKS_EVERY)

    async def runs_until(self, wait: Callable[[], Awaitable[None]]) -> int | None:
        """Run the daemon until it ends, and give its exit code, or until `wait` is over (None); then it is killed."""
        async with self.site.started(**self.secrets) as process:
            ended: list[int] = []

            async def watch(scope: anyio.CancelScope) -> None:
                ended.append(await process.ended())
                scope.cancel()

            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(watch, group.cancel_scope)
                    await wait()
                    group.cancel_scope.cancel()
            finally:
                if not ended:
                    with anyio.CancelScope(shield=True):
                        await self._kill(process)
            return ended[0] if ended else None

    async def broken(self) -> list[str]:
        """Every promise that the far sides' own record shows broken, once everything has settled."""
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
            "P14 an order did not come to its end": {
                number: [line.status for line in order.lines] for number, order in redoute.orders.items()
            }
            | {
                number: [(line.dispatched, line.cancelled, line.refunded) for line in order.lines.values()]
                for number, order in lewis.orders.items()
            }
            == _ENDS_REDOUTE | _ENDS_LEWIS,
        }
        shown = [(it.name, it.outcome) for it in lewis.arrivals if it.outcome != "accepted"]
        return [f"{name} {shown or ''}".strip() for name, holds in found.items() if not holds]

    async def unrecorded(self) -> list[str]:
        """What the far sides have that the database knows nothing of (P4, P8): to be asked while no daemon runs."""
        redoute, lewis = self.sandbox.laredoute, self.sandbox.johnlewis
        known = {name for (name,) in await self.rows("SELECT name FROM feeds UNION SELECT name FROM order_updates")}
        decided = dict(await self._updates())
        arrived = [it.name for it in lewis.arrivals]
        arrived += [it.name for it in (lewis.files / "live" / "outgoing").iterdir() if not it.name.endswith(".DONE")]
        moved = [
            number
            for number, order in redoute.orders.items()
            if any(line.status is not Status.CREATED for line in order.lines)
        ]
        feeds = await self.rows("SELECT kind FROM feeds WHERE account = 'redoute' AND state <> 'withdrawn'")
        sent = Counter({"items": "item", "offers": "offer"}[it.kind] for it in redoute.feeds)
        return [
            *(f"file {name}" for name in arrived if name not in known),
            *(f"an update of order {number}" for number in moved if not decided.get(number)),
            *(f"a feed of kind {kind}" for kind in (sent - Counter(kind for (kind,) in feeds)).elements()),
        ]

    def too_close(self) -> list[str]:
        """Every pair of offer feeds less than an interval apart, with how the far side served each of them."""
        feeds = [feed for feed in self.sandbox.laredoute.feeds if feed.kind == "offers"]
        return [
            f"{after.started_boot - before.ended_boot:.3f} s from the end of {before} to the start of {after}"
            for before, after in pairwise(feeds)
            if after.started_boot - before.ended_boot < INTERVAL
        ]

    def torn(self) -> int:
        """How many stock files John Lewis took half or empty: they have no marker, and one that is whole follows."""
        arrivals = self.sandbox.johnlewis.arrivals
        return sum(it.folder == "inventory" and it.outcome != "accepted" for it in arrivals)

    async def _updates(self) -> list[tuple[Any, ...]]:
        return await self.rows(
            'SELECT o.number, count(*) FROM order_updates u JOIN orders o ON o.id = u."order" GROUP BY o.number'
        )

    async def settles_doubts(self) -> None:
        """The Edge cannot be asked for a file of which nothing is there: a person looks, and says so (promise P8)."""
        for name, number in await self.rows(
            'SELECT u.name, o.number FROM order_updates u JOIN orders o ON o.id = u."order"'
            " WHERE u.state = 'in_doubt' AND u.account = 'lewis'"
        ):
            outgoing = self.sandbox.johnlewis.files / "live" / "outgoing"
            arrived = any(it.name == name for it in self.sandbox.johnlewis.arrivals)
            if arrived or not (outgoing / name).exists():
                self.asked_a_person += await self._asks(f"lewis/orders/{number}/resolve", json={"arrived": arrived})

    async def _asks(self, path: str, **request: Any) -> bool:
        with suppress(httpx.HTTPError):
            transport = httpx.AsyncHTTPTransport(uds=str(self.site.folder / "state" / "control.sock"))
            async with httpx.AsyncClient(base_url="http://sellerd", transport=transport, timeout=20) as client:
                return (await client.post(f"/api/v1/accounts/{path}", **request)).status_code == httpx.codes.OK
        return False

    async def _kill(self, process: Process) -> None:
        """End the daemon at once, whether or not it was started by strace, which ends with it."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        traced = children.read_text("ascii").split() if self.site.prefix and children.exists() else ()
        for pid in map(int, traced):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if traced:
            # Of a delay that it makes, strace waits for the end, whoever has died meanwhile.
            with anyio.move_on_after(_STRACE_ENDS_WITHIN):
                await process.ended()
                return
        with suppress(ProcessLookupError):
            process.signal(signal.SIGKILL)
        await process.ended()


_STATES = 'SELECT o.number, l.state FROM orders o JOIN order_lines l ON l."order" = o.id'
_BUSY = (
    'SELECT o.number FROM orders o JOIN order_updates u ON u."order" = o.id'
    " WHERE u.state NOT IN ('succeeded', 'failed')"
)


def _expected(key: tuple[str, str]) -> int:
    return len(_DEEDS[key]) + _BY_ITSELF.get(key[1], 1)


@asynccontextmanager
async def flow(more: str = "", every: str = "", place: str | None = None) -> AsyncGenerator[Flow, None]:
    """A fresh installation and fresh far sides with their orders; `place` is where its folder is made."""
    # The process writes where a disk would be; the files of a run live in memory where there is such a place.
    place = place or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    with TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        sides = SandboxSettings(
            folder / "sandbox",
            laredoute=LaRedouteSettings(delay=0.2),
            johnlewis=JohnLewisSettings(poll_every=0.02, accepted="leave"),
        )
        async with Sandbox(sides) as sandbox:
            told = Flow(folder, sandbox, more, every)
            try:
                await fill(told.database)
                sandbox.laredoute.place_order([(EANS["LAMP-1"], 1), (EANS["LAMP-2"], 2)], "2026000001")
                sandbox.laredoute.place_order([(EANS["LAMP-1"], 50)], "2026000002")
                sandbox.johnlewis.place_order(PARTS["CHAIR-1"], 2, number="Y200000001")
                sandbox.johnlewis.place_order(PARTS["CHAIR-2"], 3, number=_CLAIMED)
                sandbox.johnlewis.place_order(PARTS["CHAIR-2"], 1, number="Y200000003")
                yield told
            finally:
                told.site.close()


def traces() -> bool:
    """Whether processes can be traced here."""
    if shutil.which(STRACE[0]) is None:
        return False
    tried = [*STRACE, PASSES, "-o", "/dev/null", "-e", "trace=fsync", "true"]
    return subprocess.run(tried, check=False, capture_output=True).returncode == 0


def most_by_one_thread(lines: Sequence[str]) -> Counter[str]:
    """How often the thread that makes a call most makes it, by call, from what strace wrote."""
    made = Counter(
        (thread, call.partition("(")[0])
        for thread, _, call in (line.partition(" ") for line in lines)
        if "(" in call and "resumed>" not in call
    )
    most = Counter[str]()
    for (_, call), count in made.items():
        most[call.strip()] = max(most[call.strip()], count)
    return most
