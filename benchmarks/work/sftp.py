"""Orders from an SFTP server into the store, beside lftp and paramiko; our side is `benchmarks.turn`.

A turn at a folder of which everything was seen before is a poll. A daemon is started once and takes turns for as long
as it runs, so a turn is timed from its login to its end, without the start of the process that makes it here.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from benchmarks.pairs import Bench, Pair
from benchmarks.peers import PEERS
from benchmarks.work.orders import add_listings, write_orders
from tests.openssh import OpenSsh, serving

FILES = 2_000
SEEN = 20_000
_DELAY = 10  # milliseconds in each direction: 20 there and back


def _as_it_is() -> None:
    """Everything was seen before, and stays so."""


class Once(Pair):
    """A pair whose peer takes minutes: each side runs once."""

    def run(self, runs: int) -> list[dict[str, Any]]:  # noqa: ARG002 - that of all pairs
        """One row of the table."""
        return Pair.run(self, 1)


def rows(bench: Bench) -> Iterator[Pair]:
    """Fetching and polling, on loopback and at 20 ms, from OpenSSH's own server."""
    with serving(bench.folder) as server, delayed(server.port) as far_port:
        near, far = Way(bench, server, server.port, "loopback"), Way(bench, server, far_port, "20 ms round trip")
        orders, seen = server.root / "orders", server.root / "seen"
        count, many = bench.size(FILES), bench.size(SEEN)
        write_orders(orders, count)
        for path in list(orders.iterdir()):
            path.with_name(f"{path.name}.DONE").touch()
        work = f"a turn: {count:,} order files with markers fetched, parsed, stored durably"
        # Measured beforehand: on loopback more than two at a time make lftp slower, at 20 ms more than 32 do.
        yield near.pair(work, "lftp mirror -P2, sqlite3 .import", orders, ["mirror", "2"], 0.85, "fetch-loopback")
        yield far.pair(work, "lftp mirror -P32, sqlite3 .import", orders, ["mirror", "32"], 0.35, "fetch-20ms")
        theirs = [bench.python_of_peers, str(PEERS / "orders_with_paramiko.py")]
        yield Once(
            f"{work}, {far.name}, in_flight = {far.in_flight}",
            "a serial paramiko script, sqlite3 .import",
            far.ours(orders),
            [*theirs, str(far.login), str(orders), str(bench.folder / "theirs.db")],
            0.03,
            prepare=far.fresh,
            asks="fetch-20ms-serial",
            own_clock=far.clock,
        )
        write_seen(seen, many)
        for way, asks in ((near, "poll-loopback"), (far, "poll-20ms")):
            way.see(seen)
            yield way.pair(
                f"a turn: a poll of {many:,} files, all seen before",
                "lftp listing the folder",
                seen,
                ["list"],
                1.5,
                asks,
            )


@dataclass(frozen=True, slots=True)
class Way:
    """A server by one of its two ports, and what both sides need to log in there, as files."""

    bench: Bench
    server: OpenSsh
    port: int
    name: str
    in_flight: int = 64

    @property
    def login(self) -> Path:
        """The folder with the files port, user, key, host keys, and how much we ask at once."""
        folder = self.bench.folder / f"login-{self.port}"
        if not folder.exists():
            folder.mkdir()
            key = folder / "key"
            key.touch(mode=0o600)
            key.write_text(self.server.private_key)
            (folder / "user").write_text(self.server.user)
            (folder / "port").write_text(str(self.port))
            (folder / "in_flight").write_text(str(self.in_flight))
            (folder / "host_key").write_text(self.server.host_key)
            (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {self.server.host_key}\n")
        return folder

    @property
    def clock(self) -> Path:
        """Where a turn leaves how long it took."""
        return self.bench.folder / "clock"

    @property
    def _database(self) -> Path:
        return self.bench.folder / "ours.db"

    def ours(self, folder: Path) -> list[str]:
        """Our side of a pair."""
        told = [self.login, folder, self._database, self.clock]
        return [sys.executable, "-m", "benchmarks.turn", *map(str, told)]

    def pair(self, work: str, peer: str, folder: Path, lftp: list[str], target: float, asks: str) -> Pair:
        """The work here beside lftp."""
        database = self.bench.folder / "theirs.db"
        theirs = ["sh", str(PEERS / "lftp.sh"), *lftp, str(self.login), str(folder), str(database)]
        return Pair(
            f"{work}, {self.name}, in_flight = {self.in_flight}",
            peer,
            self.ours(folder),
            theirs,
            target,
            prepare=self.fresh if lftp[0] == "mirror" else _as_it_is,
            asks=asks,
            own_clock=self.clock,
        )

    def fresh(self) -> None:
        """Begin with a store that knows the listings and no order."""
        for path in self.bench.folder.glob("ours.*"):
            path.unlink()
        anyio.run(add_listings, self._database)

    def see(self, folder: Path) -> None:
        """Have a store that has seen a folder before."""
        self.fresh()
        subprocess.run(self.ours(folder), check=True)


@contextmanager
def delayed(port: int) -> Iterator[int]:
    """A port that leads to another one through a line of 20 ms."""
    command = [sys.executable, "-m", "benchmarks.delay", str(port), str(_DELAY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as line:
        try:
            yield int((line.stdout or sys.stdin).readline())
        finally:
            line.terminate()


def write_seen(folder: Path, count: int) -> None:
    """Make half as many orders as there are to be files, each with its marker."""
    write_orders(folder, count // 2, lines=1)
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.DONE").touch()
