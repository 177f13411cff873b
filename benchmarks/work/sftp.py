"""Orders from an SFTP server into the store, beside lftp and paramiko: `python -m benchmarks.work.sftp SERVER PORT …`.

Our side is one turn of the job as the daemon runs it, in a process of its own: listed, fetched, parsed, checked, kept
with its bytes, noted as done. A turn at a folder of which everything was seen before is a poll.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from benchmarks.accounts import LEWIS, MOMENT, NOW, johnlewis
from benchmarks.pairs import Bench, Pair
from benchmarks.peers import PEERS
from benchmarks.work.orders import add_listings, write_orders
from daemon.jobs import Run
from daemon.jobs.orders import download_orders
from daemon.marketplaces.edge.marketplace import Edge
from daemon.settings import Secret, SftpTable
from daemon.store import open_store
from tests.openssh import OpenSsh, programs, running

FILES = 2_000
SEEN = 20_000
_DELAY = 10  # milliseconds in each direction: 20 there and back


class Once(Pair):
    """A pair whose peer takes minutes: each side runs once."""

    def run(self, runs: int) -> dict[str, Any]:  # noqa: ARG002 - that of all pairs
        """One row of the table."""
        return Pair.run(self, 1)


def rows(bench: Bench) -> Iterator[Pair]:
    """Fetching and polling, on loopback and at 20 ms, from OpenSSH's own server."""
    found = programs()
    if found is None:
        raise SystemExit("sshd or sftp-server is missing: run scripts/install-test-servers")
    with running(bench.folder, *found) as server, delayed(server.port) as far_port:
        near, far = Way(bench, server, server.port, "loopback"), Way(bench, server, far_port, "20 ms round trip")
        orders, seen = server.root / "orders", server.root / "seen"
        count, many = bench.size(FILES), bench.size(SEEN)
        write_orders(orders, count)
        for path in list(orders.iterdir()):
            path.with_name(f"{path.name}.DONE").touch()
        work = f"{count:,} order files with markers fetched, parsed, stored durably"
        # Measured beforehand: on loopback more than two at a time make lftp slower, at 20 ms more than 32 do.
        yield near.pair(work, "lftp mirror -P2, sqlite3 .import", orders, ["mirror", "2"], 0.85)
        yield far.pair(work, "lftp mirror -P32, sqlite3 .import", orders, ["mirror", "32"], 0.35)
        theirs = [bench.python_of_peers, str(PEERS / "orders_with_paramiko.py")]
        yield Once(
            f"{work}, {far.name}",
            "a serial paramiko script, sqlite3 .import",
            far.ours(orders),
            [*theirs, str(far.login), str(orders), str(bench.folder / "theirs.db")],
            0.03,
            prepare=far.fresh,
        )
        write_seen(seen, many)
        for way in (near, far):
            way.see(seen)
            yield way.pair(f"a poll of {many:,} files, all seen before", "lftp listing the folder", seen, ["list"], 1.5)


@dataclass(frozen=True, slots=True)
class Way:
    """A server by one of its two ports, and what both sides need to log in there, as files."""

    bench: Bench
    server: OpenSsh
    port: int
    name: str

    @property
    def login(self) -> Path:
        """The folder with the files port, user, key and known_hosts."""
        folder = self.bench.folder / f"login-{self.port}"
        if not folder.exists():
            folder.mkdir()
            key = folder / "key"
            key.touch(mode=0o600)
            key.write_text(self.server.private_key)
            (folder / "user").write_text(self.server.user)
            (folder / "port").write_text(str(self.port))
            (folder / "host_key").write_text(self.server.host_key)
            (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {self.server.host_key}\n")
        return folder

    @property
    def _database(self) -> Path:
        return self.bench.folder / "ours.db"

    def ours(self, folder: Path) -> list[str]:
        """Our side of a pair."""
        return [sys.executable, "-m", "benchmarks.work.sftp", str(self.login), str(folder), str(self._database)]

    def pair(self, work: str, peer: str, folder: Path, lftp: list[str], target: float) -> Pair:
        """The work here beside lftp."""
        theirs = [
            "sh",
            str(PEERS / "lftp.sh"),
            *lftp,
            str(self.login),
            str(folder),
            str(self.bench.folder / "theirs.db"),
        ]
        prepare = self.fresh if lftp[0] == "mirror" else lambda: None
        return Pair(f"{work}, {self.name}", peer, self.ours(folder), theirs, target, prepare=prepare)

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


async def turn(login: Path, folder: Path, database: Path) -> None:
    """One turn of the job that downloads orders; files are left where they are."""
    table = SftpTable(
        host="127.0.0.1",
        port=int((login / "port").read_text()),
        user=(login / "user").read_text(),
        private_key=Secret((login / "key").read_text()),
        host_keys=((login / "host_key").read_text(),),
    )
    settings = johnlewis(sftp=table, after_keeping="leave", paths={"order_download": str(folder)})
    marketplace = Edge(settings)
    async with open_store(database) as store:
        await store.accounts.configure(LEWIS, "johnlewis", "f", NOW)
        outcome = await download_orders(Run(settings, MOMENT, store, marketplace, lambda: MOMENT))
    await marketplace.aclose()
    print(outcome)


if __name__ == "__main__":
    anyio.run(turn, *map(Path, sys.argv[1:]))
