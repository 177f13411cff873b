"""The line cut after every byte of the main messages, and what our side says held against what the far side has.

A TCP cable lies between our own transports and the sandbox's HTTP server, or the real sshd over the sandbox's folders.
It ends after so many bytes of one direction, by a close or by a reset. Then the line is mended, and the jobs go on
until both sides agree: nothing may have been taken twice, given up although it arrived, or taken half.
"""

import asyncio
import logging
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

import anyio

from daemon.errors import DaemonError
from daemon.jobs import Job
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import OrderNumber, UpdateKind
from daemon.sandbox import JohnLewisSettings
from daemon.transports.http import HttpClient
from daemon.transports.sftp import Put, Sftp, SftpLogin
from daemon.transports.tls import trusting
from tests.cable import Cable, Ending, cable_to, raw_server
from tests.jobs.scene import EAN, HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, redoute_settings, scene
from tests.openssh import OpenSsh, available, serving
from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together
from tests.tls import certificate_in, self_signed
from tests.transports.conftest import openssh_login, through

#: what a run in the long form must have met
SOMETIMES = frozenset(
    {
        "lost before it left, and sent again",
        "in doubt, and it had arrived",
        "in doubt, and it had not arrived",
        "arrived, and said so",
    }
)
#: turns within which both sides must agree again
_TURNS = 8
CONTENT = b"order_id\tstatus\n" + b"3701234567897\tshipped\n" * 8


class Flow(Protocol):
    """One message with its reply, over and over, each time something new."""

    cable: Cable

    async def prepare(self) -> None:
        """Have something to send or to be fetched; nothing of that is cut."""

    async def attempt(self) -> str:
        """Let it go through the cable; returns how our side says that it went."""

    async def judge(self, told: str, figures: Figures) -> list[str]:
        """What is wrong with that, as the far side has it."""

    async def recover(self, figures: Figures) -> list[str]:
        """Go on over the mended cable until both sides agree; what is wrong with how they do."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Every `parts`-th cut of one flow from the `part`-th on, of every `every`-th byte in all."""

    flow: str
    direction: str
    ending: Ending
    part: int = 0
    parts: int = 1
    every: int = 1


async def cut(piece: Piece) -> Figures:
    """Make the cuts of one piece; a breach says where."""
    figures = Figures()
    with TemporaryDirectory() as name:
        async with FLOWS[piece.flow](Path(name)) as flow:
            length = await _length(flow, piece.direction, figures)
            # The last one is beyond the end: then the far side is cut off after all was said.
            for after in range(piece.part * piece.every, length + 1, piece.parts * piece.every):
                await flow.prepare()
                flow.cable.cut(piece.direction, after, piece.ending)
                told = await flow.attempt()
                flow.cable.mend()
                broken = await flow.judge(told, figures) + await flow.recover(figures)
                figures.counts[f"cuts of {piece.flow}"] += 1
                figures.hit[f"{piece.flow}: {told}"] += 1
                where = f"{piece.flow} {piece.ending.value} after byte {after} {piece.direction}"
                figures.broken += [f"{where}: {told}: {text}" for text in broken]
    return figures


async def _length(flow: Flow, direction: str, figures: Figures) -> int:
    """How many bytes a message takes that nobody cuts."""
    await flow.prepare()
    before = flow.cable.carried[direction]
    told = await flow.attempt()
    length = flow.cable.carried[direction] - before
    figures.broken += [f"uncut: {told}: {text}" for text in await flow.judge(told, figures)]
    figures.broken += [f"uncut: {told}: {text}" for text in await flow.recover(figures)]
    return length


class _Turns:
    """A flow that goes by the turns of one account's jobs, in virtual time."""

    step: ClassVar[timedelta] = 6 * HOUR

    def __init__(self, at: Scene, cable: Cable) -> None:
        self.at, self.cable = at, cable
        self.now = timedelta()
        self.number = 0

    async def turn(self, job: Job, after: timedelta = MINUTE) -> str:
        """One turn a while later; how it ended."""
        self.now += after
        try:
            await self.at.turn(job, self.now)
        except DaemonError as error:
            return type(error).__name__
        return "ok"

    def next(self) -> None:
        """Begin with the next number, some hours later."""
        self.now += self.step
        self.number += 1


class _Files(_Turns):
    """A flow over the files of John Lewis, which the real sshd serves."""

    job: ClassVar[Job]

    async def attempt(self) -> str:
        told = await self.turn(type(self).job)
        if told != "ok":
            await _ended(self.at.openssh)
        return told

    def folder(self, name: str) -> Path:
        """Where the files of a folder lie."""
        return self.at.sandbox.johnlewis.files / "live" / name


class _Feed(_Turns):
    """A feed of La Redoute: its POST and the reply."""

    kind: ClassVar[str]
    job: ClassVar[Job]
    #: between two tries to agree: they must take longer than the patience with what is in doubt
    again: ClassVar[timedelta] = HOUR

    def __init__(self, at: Scene, cable: Cable) -> None:
        super().__init__(at, cable)
        self.seen = 0
        self.last_at = -HOUR

    async def attempt(self) -> str:
        self.seen = len(self._taken())
        told = await self.turn(type(self).job)
        await _handled()
        return told

    def _taken(self) -> list[Any]:
        return [it for it in self.at.sandbox.laredoute.feeds if it.kind == self.kind and it.outcome == "accepted"]

    async def judge(self, told: str, figures: Figures) -> list[str]:
        (state,) = (await self.at.all("feeds", "state"))[-1]
        taken = len(self._taken()) - self.seen
        return _verdict(state, taken, figures) + self._gap(taken)

    def _gap(self, taken: int) -> list[str]:
        """The hour between two that were taken (offers alone)."""
        if not taken or self.kind != "offers":
            return []
        gap, self.last_at = self.now - self.last_at, self.now
        return [] if gap >= HOUR else [f"two came within {gap}"]

    async def recover(self, figures: Figures) -> list[str]:
        for number in range(_TURNS):
            await self.at.answer()
            await self.turn(read_reports)
            if await self._agreed():
                return []
            before = len(self._taken())
            await self.turn(type(self).job, 10 * MINUTE if number == 0 else self.again)
            broken = self._gap(len(self._taken()) - before)
            if broken:
                return broken
        return [f"both sides do not agree after {_TURNS} turns: {await self.at.parts()}"]

    async def _agreed(self) -> bool:
        raise NotImplementedError


def _verdict(state: str, taken: int, figures: Figures) -> list[str]:
    """Hold the state of what was sent against how often the far side took it."""
    match state, taken:
        case (("withdrawn" | "pending"), 0):
            figures.hit["lost before it left, and sent again"] += 1
        case (("in_doubt" | "lapsed"), 0):
            figures.hit["in doubt, and it had not arrived"] += 1
        case (("in_doubt" | "lapsed"), 1):
            figures.hit["in doubt, and it had arrived"] += 1
        case (("sent" | "answered" | "succeeded"), 1):
            figures.hit["arrived, and said so"] += 1
        case _:
            return [f"it is {state}, and the far side took it {taken} times"]
    return []


class OfferFeed(_Feed):
    """Stock and price."""

    kind = "offers"
    job = send_offers

    async def prepare(self) -> None:
        self.next()
        await self.at.restock(5 + self.number % 3, self.now)

    async def _agreed(self) -> bool:
        there = self.at.sandbox.laredoute.offers.get(EAN)
        return there is not None and int(there.stock) == 5 + self.number % 3 and (await self.at.parts())[1] != "sent"


class ItemFeed(_Feed):
    """What a product is."""

    kind = "items"
    job = send_items
    again = 6 * HOUR

    async def prepare(self) -> None:
        self.next()
        await self.at.want(title=f"Lampe {self.number}", at=NOON + self.now)

    async def _agreed(self) -> bool:
        return (await self.at.parts())[0] == "not_needed"


class OrdersAsked(_Turns):
    """The orders of a period: the question, and a reply that must be taken whole or not at all."""

    step = timedelta(days=20)
    order = ""

    async def prepare(self) -> None:
        self.next()
        self.order = self.at.sandbox.laredoute.place_order([(EAN, 1), (EAN, 2)], placed_at=NOON + self.now).id

    async def attempt(self) -> str:
        return await self.turn(download_orders)

    async def judge(self, told: str, figures: Figures) -> list[str]:
        kept = await self._kept()
        if told == "ok" and not kept:
            return ["it says that all is well, and the order is not here"]
        if told not in ("ok", "Unreachable", "Unconfirmed"):
            return ["a cut is no answer"]
        figures.hit["an order came whole" if kept else "an order did not come, and came later"] += 1
        return [] if kept in ([], [1, 2]) else [f"kept are lines of {kept}"]

    async def recover(self, figures: Figures) -> list[str]:
        told = await self.turn(download_orders)
        kept = await self._kept()
        for line in self.at.sandbox.laredoute.orders[self.order].lines:
            self.at.sandbox.laredoute.portal_change(line.id, "Refused")
        await self.turn(download_orders)
        return [] if kept == [1, 2] else [f"then {told}, and kept are lines of {kept}"]

    async def _kept(self) -> list[int]:
        table = 'order_lines l JOIN orders o ON o.id = l."order" WHERE o.number = \'' + self.order + "' ORDER BY l.id"
        return [units for (units,) in await self.at.all(table, "l.quantity")]


class Acceptance(_Turns):
    """An order update of La Redoute: its POST and the reply."""

    step = timedelta(days=40)
    order = ""

    async def prepare(self) -> None:
        self.next()
        self.order = self.at.sandbox.laredoute.place_order([(EAN, 1)], placed_at=NOON + self.now).id
        await self.turn(download_orders)
        await self.at.store.updates.open(
            self.at.name,
            OrderNumber(self.order),
            UpdateKind.ACCEPTANCE,
            None,
            legal_moves=self.at.account.legal_moves,
            at=NOON + self.now,
        )

    async def attempt(self) -> str:
        told = await self.turn(send_updates)
        await _handled()
        return told

    async def judge(self, told: str, figures: Figures) -> list[str]:
        return _verdict(await self._state(), int(self._accepted()), figures)

    async def recover(self, figures: Figures) -> list[str]:
        for _ in range(_TURNS):
            if await self._state() in ("succeeded", "failed"):
                break
            await self.turn(send_updates, 10 * MINUTE)
        state = await self._state()
        await self.at.answer()
        await self.turn(download_orders)
        return [] if state == "succeeded" and self._accepted() else [f"it ended {state}"]

    async def _state(self) -> str:
        return str((await self.at.all("order_updates ORDER BY id", "state"))[-1][0])

    def _accepted(self) -> bool:
        return all(line.status.name != "CREATED" for line in self.at.sandbox.laredoute.orders[self.order].lines)


class OrderFile(_Files):
    """An order of John Lewis: listed with its marker, read, put away with its marker."""

    job = download_orders
    content = b""
    name = ""

    async def prepare(self) -> None:
        self.next()
        johnlewis = self.at.sandbox.johnlewis
        self.name = johnlewis.place_order(STOCK_NUMBER, 2).file_name
        self.content = (self.folder("incoming") / self.name).read_bytes()

    async def judge(self, told: str, figures: Figures) -> list[str]:
        kept = await self._kept()
        there = (self.folder("incoming") / self.name).exists()
        broken = []
        if kept not in ([], [self.content]):
            broken.append("something else than the whole file is kept")
        if not there and not kept:
            broken.append("the file is put away and not kept")
        if told == "ok" and (there or not kept):
            broken.append("it says that all is well, and the file is not kept and put away")
        figures.hit["an order came whole" if kept else "an order did not come, and came later"] += 1
        return broken

    async def recover(self, figures: Figures) -> list[str]:
        told = await self.turn(download_orders)
        left = [path.name for path in self.folder("incoming").iterdir() if path.is_file()]
        kept = await self._kept()
        return [] if not left and kept == [self.content] else [f"then {told}, and there is {left}"]

    async def _kept(self) -> list[bytes]:
        """The bytes that are kept of the file, as often as they are."""
        rows = await self.at.all(f"deliveries WHERE name = '{self.name}'", "payload")
        return [await self.at.bytes_of(payload) for (payload,) in rows]


class StockFile(_Files):
    """A stock file of John Lewis, written straight to its name."""

    job = send_offers

    async def prepare(self) -> None:
        self.next()
        await self.at.restock(5 + self.number % 3, self.now)

    async def judge(self, told: str, figures: Figures) -> list[str]:
        ((name, state, payload),) = await self.at.all("feeds ORDER BY id DESC LIMIT 1", "name", "state", "payload")
        path = self.folder("inventory") / name
        whole = await self.at.bytes_of(payload)
        there = path.read_bytes() if path.exists() else None
        if there not in (None, whole):
            figures.hit["a stock file stands there half or empty, and goes out again"] += 1
            return [] if state in ("lapsed", "in_doubt") else [f"it is {state}, and half of it is there"]
        return _verdict(state, int(there == whole), figures)

    async def recover(self, figures: Figures) -> list[str]:
        for _ in range(_TURNS):
            await self.at.answer()
            there = self.at.sandbox.johnlewis.stock.get(STOCK_NUMBER)
            state = (await self.at.parts())[1]
            if there is not None and there.free == 5 + self.number % 3 and state == "not_needed":
                return []
            await self.turn(read_reports)
            await self.turn(send_offers, HOUR)
        return [f"both sides do not agree after {_TURNS} turns: {await self.at.parts()}"]


class Acknowledgement(_Files):
    """An order update of John Lewis: the file, then its marker."""

    job = send_updates
    order = ""

    async def prepare(self) -> None:
        self.next()
        # What was taken is gone, so that the folder, where errors are looked for first, is as long each time.
        for path in self.folder("outgoing").iterdir():
            if path.is_file():
                path.unlink()
        self.order = self.at.sandbox.johnlewis.place_order(STOCK_NUMBER, 2).number
        await self.turn(download_orders)

    async def judge(self, told: str, figures: Figures) -> list[str]:
        name, state, content = await self._sent()
        path = self.folder("outgoing") / name
        there = path.read_bytes() if path.exists() else b""
        marked = path.with_name(f"{name}.DONE").exists()
        figures.hit["a marker stands beside a whole file"] += marked
        if marked and there != content:
            return [f"the marker stands beside {len(there)} of {len(content)} bytes"]
        return _verdict(state, int(marked), figures)

    async def recover(self, figures: Figures) -> list[str]:
        state, came = await self._ended()
        return [] if (state, came) == ("succeeded", ["accepted"]) else [f"it ended {state}, and came as {came}"]

    async def _ended(self) -> tuple[str, list[str]]:
        """Its state once both sides have had their turns, and what the far side made of each arrival of it."""
        for _ in range(_TURNS):
            await self.at.answer()
            if (await self._sent())[1] in ("succeeded", "failed"):
                break
            await self.turn(send_updates, HOUR)
        name, state, content = await self._sent()
        came = [it.outcome for it in self.at.sandbox.johnlewis.arrivals if it.name == name and it.content == content]
        return state, came

    async def _sent(self) -> tuple[str, str, bytes]:
        """Name, state and bytes of the acknowledgement; it waits where the turn did not come as far as to decide it."""
        orders = f"order_updates u JOIN orders o ON o.id = u.\"order\" WHERE o.number = '{self.order}'"
        rows = await self.at.all(orders, "u.name", "u.state", "u.payload")
        if not rows or rows[0][2] is None:
            return "none", "pending", b""
        ((name, state, payload),) = rows
        return name, state, await self.at.bytes_of(payload)


class UnmarkedUpdate(Acknowledgement):
    """An order update of a retailer without markers: it counts as soon as it is closed."""

    async def judge(self, told: str, figures: Figures) -> list[str]:
        name, state, content = await self._sent()
        path = self.folder("outgoing") / name
        there = path.read_bytes() if path.exists() else None
        if there not in (None, content):
            figures.hit["an update without a marker stands there half or empty"] += 1
            return [] if state == "in_doubt" else [f"it is {state}, and half of it is there"]
        return _verdict(state, int(there is not None), figures)

    async def recover(self, figures: Figures) -> list[str]:
        """A person looks where only a half is there: it is turned down, or nobody can say what became of it."""
        state, came = await self._ended()
        return [] if (state == "succeeded") == (came == ["accepted"]) else [f"it ended {state}, and came as {came}"]


class RenamedFile:
    """A file that gets its name when it is whole; no marketplace asks for it yet, so it goes by the transport alone."""

    def __init__(self, server: OpenSsh, folder: Path, sftp: Sftp, cable: Cable) -> None:
        self.server, self.folder, self.sftp, self.cable = server, folder, sftp, cable
        self.number = 0

    async def prepare(self) -> None:
        self.number += 1
        # Logged in before, so that the bytes which are counted are those of the file.
        await self.sftp.list(self.folder.name)

    @property
    def _path(self) -> Path:
        return self.folder / f"file-{self.number}.txt"

    async def attempt(self) -> str:
        try:
            await self.sftp.put(self.folder.name, self._path.name, CONTENT, how=Put.RENAME)
        except DaemonError as error:
            await _ended(self.server)
            return type(error).__name__
        return "ok"

    async def judge(self, told: str, figures: Figures) -> list[str]:
        there = self._path.read_bytes() if self._path.exists() else None
        if there not in (None, CONTENT):
            return [f"{len(there or b'')} bytes stand under the name"]
        states = {"ok": "sent", "Unreachable": "withdrawn", "Unconfirmed": "in_doubt"}
        return _verdict(states.get(told, told), int(there is not None), figures)

    async def recover(self, figures: Figures) -> list[str]:
        if not self._path.exists():
            await self.sftp.put(self.folder.name, self._path.name, CONTENT, how=Put.RENAME)
        return await self.judge("ok", Figures())


class Login:
    """The whole way into an SFTP server: greeting, keys, login, the start of SFTP, a listing, a file."""

    def __init__(self, folder: Path, login: SftpLogin, cable: Cable) -> None:
        self.folder, self.login, self.cable = folder, login, cable
        self.content: bytes | None = None

    async def prepare(self) -> None:
        self.content = None

    async def attempt(self) -> str:
        sftp = Sftp(self.login)
        try:
            (file,) = await sftp.list(self.folder.name)
            self.content = await sftp.read(file)
        except DaemonError as error:
            return type(error).__name__
        finally:
            await sftp.aclose()
        return "ok"

    async def judge(self, told: str, figures: Figures) -> list[str]:
        """A cut says nothing about who is there: it is no reason to hold the account for a person."""
        figures.hit["a login was cut and came later" if told == "Unreachable" else "a file came whole"] += 1
        if self.content not in (None, CONTENT):
            return [f"{len(self.content or b'')} bytes were taken for the file"]
        return [] if told in ("ok", "Unreachable") else ["a cut is no answer"]

    async def recover(self, figures: Figures) -> list[str]:
        told = await self.attempt()
        return [] if told == "ok" else [f"over the mended line: {told}"]


class OverTls:
    """A POST by HTTPS, its handshake included, to a server whose reply ends with the connection and has no length."""

    def __init__(self, url: str, client: HttpClient, cable: Cable, requests: list[bytes]) -> None:
        self.url, self.client, self.cable, self.requests = url, client, cable, requests
        self.before = 0

    async def prepare(self) -> None:
        await self.client.aclose()
        self.before = len(self.requests)

    async def attempt(self) -> str:
        try:
            reply = await self.client.post(self.url, headers={}, body=CONTENT)
        except DaemonError as error:
            return type(error).__name__
        return "ok" if reply.body == CONTENT else "a shorter reply"

    async def judge(self, told: str, figures: Figures) -> list[str]:
        await _handled()
        took = len(self.requests) - self.before
        # The marketplace's reader finds that it is cut, and says Unconfirmed.
        states = {"ok": "sent", "Unreachable": "withdrawn", "Unconfirmed": "in_doubt", "a shorter reply": "in_doubt"}
        return _verdict(states.get(told, told), took, figures)

    async def recover(self, figures: Figures) -> list[str]:
        self.before = len(self.requests)
        told = await self.attempt()
        return [] if told == "ok" and len(self.requests) == self.before + 1 else [f"over the mended line: {told}"]


async def _handled() -> None:
    """Let a far side in this process do what it has been sent."""
    for _ in range(3):
        await anyio.wait_all_tasks_blocked()


async def _ended(server: OpenSsh | None) -> None:
    """Wait until no session of a server is left that might still do what it was asked."""
    with anyio.fail_after(30):
        while server is not None and server.sftp_servers():
            await anyio.sleep(0.002)


@asynccontextmanager
async def _redoute(folder: Path, flow: Callable[[Scene, Cable], Flow]) -> AsyncGenerator[Flow, None]:
    """A flow at a La Redoute that has the listing, and a cable to its services."""
    async with scene(folder, "sellr") as at:
        await at.want()
        for job in (send_items, read_reports, send_offers, read_reports):
            await at.turn(job, timedelta())
            await at.answer()
        there = urlsplit(at.sandbox.http_url)
        async with cable_to(str(there.hostname), there.port or 80) as cable:
            cabled = f"http://{there.hostname}:{cable.port}"
            described = at.sandbox.describe()["laredoute"]
            urls = {
                name: described[f"{name}_url"].replace(at.sandbox.http_url, cabled)
                for name in ("items", "offers", "orders")
            }
            account = redoute_settings(at.sandbox, urls=urls)
            marketplace = DIALECTS["sellr"].open(account, {})
            try:
                yield flow(Scene(at.sandbox, at.store, account, marketplace), cable)
            finally:
                await marketplace.aclose()


@asynccontextmanager
async def _lewis(
    folder: Path, flow: Callable[[Scene, Cable], Flow], *, marked: bool = True
) -> AsyncGenerator[Flow, None]:
    """A flow at a John Lewis whose folders the real sshd serves through a cable; updates may have no markers."""
    with serving(folder) as server:
        async with (
            cable_to(server.host, server.port) as cable,
            scene(
                folder,
                "edge",
                johnlewis=JohnLewisSettings(accepted="leave", update_marker=marked),
                openssh=replace(server, port=cable.port),
                updates={"marker": marked},
            ) as at,
        ):
            await at.want()
            yield flow(at, cable)


@asynccontextmanager
async def _renamed(folder: Path) -> AsyncGenerator[Flow, None]:
    async with _openssh(folder) as (server, login, cable):
        sftp = Sftp(login)
        try:
            yield RenamedFile(server, server.root / "offers", sftp, cable)
        finally:
            await sftp.aclose()


@asynccontextmanager
async def _login(folder: Path) -> AsyncGenerator[Flow, None]:
    async with _openssh(folder) as (server, login, cable):
        (server.root / "offers" / "file.txt").write_bytes(CONTENT)
        yield Login(server.root / "offers", login, cable)


@asynccontextmanager
async def _openssh(folder: Path) -> AsyncGenerator[tuple[OpenSsh, SftpLogin, Cable], None]:
    with serving(folder) as server:
        (server.root / "offers").mkdir()
        async with cable_to(server.host, server.port) as cable:
            yield server, through(openssh_login(server), cable), cable


@asynccontextmanager
async def _tls(folder: Path) -> AsyncGenerator[Flow, None]:
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        requests.append(await reader.readexactly(len(CONTENT)))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT)
        await writer.drain()

    async with (
        raw_server(serve, tls=self_signed(folder)) as port,
        cable_to("127.0.0.1", port) as cable,
        HttpClient(tls=trusting(certificate_in(folder))) as client,
    ):
        yield OverTls(f"https://127.0.0.1:{cable.port}/", client, cable, requests)


#: every flow by its name: those over the real sshd, and those that are in this process
OVER_SSH: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Flow]]] = {
    "login by SFTP, listing and download": _login,
    "order file and its confirmation": partial(_lewis, flow=OrderFile),
    "stock file": partial(_lewis, flow=StockFile),
    "order update with its marker": partial(_lewis, flow=Acknowledgement),
    "order update without a marker": partial(_lewis, flow=UnmarkedUpdate, marked=False),
    "file that is renamed": _renamed,
}
OVER_HTTP: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Flow]]] = {
    "offer feed": partial(_redoute, flow=OfferFeed),
    "item feed": partial(_redoute, flow=ItemFeed),
    "orders asked for": partial(_redoute, flow=OrdersAsked),
    "order update": partial(_redoute, flow=Acceptance),
    "request over TLS": _tls,
}
FLOWS = {**OVER_SSH, **OVER_HTTP}


def pieces(flows: Iterable[str], every: int, parts: int) -> list[Piece]:
    """The pieces that make every n-th cut of these flows, both ways and by both endings."""
    return [
        Piece(flow, direction, ending, part, parts, every)
        for flow, direction, ending, part in product(flows, ("up", "down"), Ending, range(parts))
    ]


def _cut(piece: Piece) -> Figures:
    # The sandbox's servers log every client that goes in the middle.
    logging.disable(logging.CRITICAL)
    return anyio.run(cut, piece)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--flow", default="", help="those whose name has this in it")
    parser.add_argument("--every", type=int, default=1, help="each n-th byte")
    parser.add_argument("--parts", type=int, default=8, help="pieces of a direction, each with far sides of its own")


def _measure(asked: Namespace) -> Iterator[Result]:
    if not available():
        raise SystemExit("sshd or sftp-server is missing: run scripts/install-test-servers")
    names = [name for name in FLOWS if asked.flow in name]
    figures = together(_cut, pieces(names, asked.every, asked.parts), asked.workers)
    if not asked.flow:
        figures.broken += [f"the run never met: {name}" for name in figures.missed(SOMETIMES)]
    command = f"python -m tests.prove cuts --every {asked.every} --parts {asked.parts}"
    yield Result("cuts", command, figures, kept=not asked.flow)


METHOD = Method(
    "cuts",
    "the line to the real sshd and to the HTTP services is cut after every byte of the main messages, by a close and by"
    " a reset, then mended; what either side says of it must agree",
    _options,
    _measure,
)
