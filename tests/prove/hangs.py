"""Every way in which a far side can hang, against every call to it: each ends by its deadline, and holds up nobody.

While one account's calls hang, another account's go on at a server that is well. Afterwards the far side must have
seen the connection end, and no descriptor of ours may be left open.
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import asyncssh

from daemon.errors import DaemonError, TransportError, Unreachable
from daemon.model import RemoteFile
from daemon.transports.http import HttpClient, HttpTimeouts
from daemon.transports.names import look_up_side_by_side
from daemon.transports.sftp import Put, Sftp, SftpLogin, SftpTimeouts
from tests.cable import HELD, cable_to, raw_server
from tests.openssh import OpenSsh, available, serving
from tests.prove.figures import Figures
from tests.prove.method import Method, Result
from tests.transports.conftest import openssh_login, sftp_server, through

#: seconds that every step of a call has here, and by how much a busy machine may be late (P17)
_QUICK, _GRACE = 0.6, 5.0
#: for logging in where the hanging begins after it
_PATIENT = 30.0
#: for a step at a server that is another process
_CALM = 2.0
_LARGE = bytes(24 << 20)

Call = Callable[[], Awaitable[object]]


@dataclass
class Hanging:
    """A far side that hangs: the calls to it, by when each must have ended, and whether it saw our side go."""

    calls: Mapping[str, Call]
    deadline: float
    left: Callable[[], bool] = lambda: True
    clients: list[Sftp | HttpClient] = field(default_factory=list)


Mode = Callable[[Path], AbstractAsyncContextManager[Hanging]]


async def hang(name: str) -> Figures:
    """Let every call meet one way of hanging."""
    figures = Figures()
    before = _descriptors()
    with TemporaryDirectory() as folder:
        async with MODES[name](Path(folder)) as far:
            await _meet(name, far, figures)
    if not await _comes_true(lambda: _descriptors() <= before):
        figures.broken.append(f"{name}: {_descriptors() - before} descriptors are left open")
    return figures


async def _meet(name: str, far: Hanging, figures: Figures) -> None:
    async with anyio.create_task_group() as others:
        others.start_soon(_another_account, figures)
        async with anyio.create_task_group() as group:
            for call_name, call in far.calls.items():
                group.start_soon(_make, f"{name}: {call_name}", call, far.deadline, figures)
        others.cancel_scope.cancel()
    if not figures.hit["another account's call ended meanwhile"]:
        figures.broken.append(f"{name}: another account had to wait")
    with anyio.move_on_after(_GRACE):
        while not far.left():
            await anyio.sleep(0.01)
    if not far.left():
        figures.broken.append(f"{name}: the far side still has a connection of ours")
    for client in far.clients:
        await client.aclose()


async def _comes_true(condition: Callable[[], bool]) -> bool:
    """Whether something that nobody tells comes true soon: another process may be late."""
    with anyio.move_on_after(_GRACE):
        while not condition():
            await anyio.sleep(0.01)
        return True
    return False


async def _make(name: str, call: Call, deadline: float, figures: Figures) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    figures.counts["calls that hung"] += 1
    with anyio.move_on_after(deadline + _GRACE) as scope:
        try:
            await call()
            figures.broken.append(f"{name}: it ended well")
        except TransportError as error:
            figures.hit[f"{type(error).__name__} by the deadline"] += 1
        except DaemonError as error:
            figures.broken.append(f"{name}: {type(error).__name__}: a silence is no answer")
    took = loop.time() - began
    if scope.cancelled_caught or took > deadline + _GRACE:
        figures.broken.append(f"{name}: it still hung after {took:.1f} s, its deadline was {deadline:g} s")


async def _another_account(figures: Figures) -> None:
    """Calls of an account whose far side is well, one after the other."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw_server(serve) as port, HttpClient() as client:
        while True:
            await client.get(f"http://127.0.0.1:{port}/")
            figures.hit["another account's call ended meanwhile"] += 1
            await anyio.sleep(0.02)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _web(url: str, clients: list[Sftp | HttpClient]) -> dict[str, Call]:
    """Every kind of request, each by a client of its own."""
    small, large, asking = (HttpClient(timeouts=HttpTimeouts(_QUICK, _QUICK, _QUICK, _QUICK)) for _ in range(3))
    clients += [small, large, asking]
    return {
        "post": lambda: small.post(url, headers={}, body=b"<feed/>", deadline=2 * _QUICK),
        "long post": lambda: large.post(url, headers={}, body=_LARGE, deadline=2 * _QUICK),
        "get": lambda: asking.get(url, deadline=2 * _QUICK),
    }


_FILE = RemoteFile("", "order-1.txt", 3_000_000)


def _sftp(login: SftpLogin, clients: list[Sftp | HttpClient], folder: str = "") -> dict[str, Call]:
    """Every kind of call, each over a connection of its own."""
    made = [Sftp(login) for _ in range(6)]
    clients += made
    file = replace(_FILE, folder=folder)
    return {
        "list": lambda: made[0].list(folder),
        "read": lambda: made[1].read(file),
        "put with a marker": lambda: made[2].put(folder, "a.txt", _LARGE, how=Put.MARKER),
        "put at once": lambda: made[3].put(folder, "b.csv", _LARGE, how=Put.AT_ONCE),
        "put and rename": lambda: made[4].put(folder, "c.csv", _LARGE, how=Put.RENAME),
        "move": lambda: made[5].move(folder, _FILE.name, f"{folder}processed"),
    }


def _strange(port: int) -> SftpLogin:
    """A login at a server that never gets as far as to be known."""
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    return SftpLogin("127.0.0.1", port, "shop", "x", host_keys=(key,), timeouts=SftpTimeouts(_QUICK, _QUICK))


@asynccontextmanager
async def _no_syn_ack(_: Path) -> AsyncGenerator[Hanging, None]:
    """A listener whose queue is full: the kernel leaves every further SYN unanswered."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        far = Hanging({}, 2 * _QUICK)
        far.calls = _web(f"http://127.0.0.1:{port}/", far.clients) | _sftp(_strange(port), far.clients)
        try:
            yield far
        finally:
            for each in waiting:
                each.close()


@asynccontextmanager
async def _says(said: bytes, *, tls: bool = False) -> AsyncGenerator[Hanging, None]:
    """A listener that says something, and then nothing any more."""
    lines = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lines
        lines += 1
        try:
            writer.write(said)
            while await reader.read(65536):
                pass
        finally:
            lines -= 1

    async with raw_server(serve) as port:
        far = Hanging({}, 2 * _QUICK, lambda: lines == 0)
        web = _web(f"http{'s' * tls}://127.0.0.1:{port}/", far.clients)
        far.calls = web if said.startswith(b"HTTP") or tls else _sftp(_strange(port), far.clients) | web
        if said.startswith(b"SSH"):
            far.calls = _sftp(_strange(port), far.clients)
        yield far


@asynccontextmanager
async def _key_exchange(folder: Path) -> AsyncGenerator[Hanging, None]:
    """The real sshd greets and names its algorithms; what we say does not reach it any more."""
    with serving(folder) as server:
        async with cable_to(server.host, server.port) as cable:
            cable.slow("up")
            login = replace(through(openssh_login(server), cable), timeouts=SftpTimeouts(_QUICK, _QUICK))
            far = Hanging({}, 2 * _QUICK)
            far.calls = _sftp(login, far.clients)
            yield far


class _Undecided(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        await anyio.sleep_forever()
        return False


class _Open(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False


class _Silent(asyncssh.SSHServerSession[bytes]):
    def subsystem_requested(self, subsystem: str) -> bool:
        return True


@asynccontextmanager
async def _ssh_server(door: type[asyncssh.SSHServer]) -> AsyncGenerator[Hanging, None]:
    """A server that hangs on the way in: at the login, or when SFTP is to start."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    here: set[asyncssh.SSHServerConnection] = set()

    class Door(door):  # type: ignore[valid-type, misc]
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._conn = conn
            here.add(conn)

        def connection_lost(self, exc: Exception | None) -> None:
            here.discard(self._conn)

        def session_requested(self) -> _Silent:
            return _Silent()

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Door, server_host_keys=[host_key], encoding=None, login_timeout=0
    )
    try:
        pinned = host_key.export_public_key().decode()
        timeouts = SftpTimeouts(_PATIENT, _QUICK, call=_QUICK)
        login = SftpLogin("127.0.0.1", server.get_port(), "shop", "x", host_keys=(pinned,), timeouts=timeouts)
        far = Hanging({}, 4 * _QUICK, lambda: not here)
        far.calls = _sftp(login, far.clients)
        yield far
    finally:
        server.close()
        for conn in list(here):
            conn.abort()
            await conn.wait_closed()
        await server.wait_closed()


def _at_work(server: OpenSsh) -> SftpLogin:
    """A login that may take its time, with calls that may not."""
    (server.root / _FILE.name).write_bytes(bytes(_FILE.size))
    timeouts = SftpTimeouts(_PATIENT, _PATIENT, list=_CALM, call=_CALM, transfer=_CALM, slowest=1 << 40)
    return replace(openssh_login(server), timeouts=timeouts)


async def _log_in(clients: list[Sftp | HttpClient]) -> None:
    """One after the other, and once more where a busy machine took longer than a call may."""
    for client in clients:
        while isinstance(client, Sftp):
            with suppress(Unreachable):
                # A folder is listed over a session of its own, which has to be there as well.
                await client.list("")
                break


@asynccontextmanager
async def _stopped(folder: Path, *, parent: bool) -> AsyncGenerator[Hanging, None]:
    """The sftp-server of each session is stopped while its sshd lives, or its sshd is."""
    with serving(folder) as server:
        far = Hanging({}, _CALM)
        far.calls = _sftp(_at_work(server), far.clients)
        await _log_in(far.clients)
        stopped = [_parent(pid) if parent else pid for pid in server.sftp_servers()]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

        def left() -> bool:
            """Woken up, every session finds that we have gone."""
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            return not server.sftp_servers()

        far.left = left
        try:
            yield far
        finally:
            left()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[1])


@asynccontextmanager
async def _held(
    folder: Path, direction: str, seconds: float = HELD, after: int = 0, only: tuple[str, ...] = ()
) -> AsyncGenerator[Hanging, None]:
    """Everything is well until the line takes no more (window 0), or a byte in so many seconds.

    With `after`, that begins in the middle of what `only` these calls move.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(1000))

    with serving(folder) as server:
        async with (
            cable_to(server.host, server.port) as cable,
            raw_server(serve) as port,
            cable_to("127.0.0.1", port) as web,
        ):
            far = Hanging({}, _CALM)
            sftp = _sftp(through(_at_work(server), cable), far.clients)
            await _log_in(far.clients)
            calls = sftp | _web(f"http://127.0.0.1:{web.port}/", far.clients)
            far.calls = {name: call for name, call in calls.items() if not only or name in only}
            cable.slow(direction, seconds, after)
            web.slow(direction, seconds, after)
            yield far


class _NeverClosing(asyncssh.SFTPServer):
    async def close(self, file_obj: object) -> None:
        file_obj.close()  # type: ignore[attr-defined]
        await anyio.sleep_forever()


@asynccontextmanager
async def _close(folder: Path) -> AsyncGenerator[Hanging, None]:
    """A file is read or written whole, and its end is never confirmed."""
    (folder / _FILE.name).write_bytes(bytes(_FILE.size))
    async with sftp_server(folder, sftp=_NeverClosing) as login:
        # In this process both sides share the time that moving the bytes takes.
        timeouts = SftpTimeouts(_PATIENT, _PATIENT, _PATIENT, call=_QUICK, transfer=_PATIENT)
        far = Hanging({}, _PATIENT)
        calls = _sftp(replace(login, timeouts=timeouts), far.clients)
        far.calls = {name: call for name, call in calls.items() if name not in ("list", "move")}
        await _log_in(far.clients)
        yield far


_WRITING = "put with a marker", "put at once", "put and rename", "long post"

MODES: Mapping[str, Mode] = {
    "no SYN-ACK": _no_syn_ack,
    "accepted, then silence": lambda _: _says(b""),
    "a handshake of TLS that stalls": lambda _: _says(b"", tls=True),
    "a banner, then silence": lambda _: _says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "a status, then silence": lambda _: _says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"),
    "a reply without end": lambda _: _says(b"HTTP/1.1 200 OK\r\n\r\nbegun"),
    "a key exchange that stalls": _key_exchange,
    "a login that is never decided": lambda _: _ssh_server(_Undecided),
    "an SFTP that never starts": lambda _: _ssh_server(_Open),
    "sftp-server stopped under a living sshd": lambda folder: _stopped(folder, parent=False),
    "sshd stopped": lambda folder: _stopped(folder, parent=True),
    "the line takes nothing more": lambda folder: _held(folder, "up"),
    "writing stalls in the middle (window 0)": lambda folder: _held(folder, "up", HELD, 300_000, _WRITING),
    "reading a byte a second": lambda folder: _held(folder, "down", 1.0),
    "reading stalls in the middle": lambda folder: _held(folder, "down", HELD, 300_000, ("read",)),
    "a close that is never confirmed": _close,
}
#: the name server is another process's matter: it takes a network of its own
NAMES = "a name server that never answers"


async def look_up_dead_names() -> Figures:
    """In a network whose name server is silent: every call ends by its deadline, and a known name is found at once."""
    figures = Figures()
    look_up_side_by_side()
    loop = asyncio.get_running_loop()
    clients: list[Sftp | HttpClient] = []
    calls: dict[str, Call] = {}
    # As many as an account of each of ten dead marketplaces would have under way.
    for number in range(5):
        web = _web(f"http://web{number}.example.test/", clients)
        sftp = _sftp(replace(_strange(22), host=f"sftp{number}.example.test"), clients)
        calls |= {f"{name} {number}": call for name, call in (web | sftp).items()}
    found: list[float] = []

    async def look_up_another() -> None:
        # Begun when the others already wait.
        await anyio.sleep(_QUICK / 2)
        began = loop.time()
        await anyio.getaddrinfo("localhost", 80)
        found.append(loop.time() - began)

    async with anyio.create_task_group() as group:
        group.start_soon(look_up_another)
        for name, call in calls.items():
            group.start_soon(_make, f"{NAMES}: {name}", call, 2 * _QUICK, figures)
    figures.hit["another account's call ended meanwhile"] += len(found)
    if not found or found[0] > 1:
        figures.broken.append(f"{NAMES}: another account's name took {found} s")
    return figures


def names_available() -> bool:
    """Whether a network with a name server of its own can be made here."""
    made = shutil.which("unshare") and subprocess.run(["unshare", "-rnm", "true"], check=False, capture_output=True)
    return bool(made) and made.returncode == 0  # type: ignore[union-attr]


def hang_at_names() -> Figures:
    """Run `look_up_dead_names` where 127.0.0.1 is the name server, and says nothing."""
    with TemporaryDirectory() as folder:
        servers = Path(folder) / "resolv.conf"
        servers.write_text("nameserver 127.0.0.1\n", "ascii")
        inside = f"mount --bind {servers} /etc/resolv.conf && exec {sys.executable} -m tests.prove.hangs"
        done = subprocess.run(["unshare", "-rnm", "sh", "-c", inside], check=False, capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout:
        return Figures(broken=[f"{NAMES}: {done.stderr.strip()[-300:]}"])
    told = json.loads(done.stdout)
    return Figures(Counter(told["counts"]), Counter(told["hit"]), told["broken"])


async def _inside() -> None:
    """What runs in the network of its own: a name server that takes every question."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as line:
        fcntl.ioctl(line, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP_AND_RUNNING))
        line.bind(("127.0.0.1", 53))
        figures = await look_up_dead_names()
    print(json.dumps({"counts": figures.counts, "hit": figures.hit, "broken": figures.broken}), flush=True)
    # The look-ups that nobody waits for any more would keep the loop for as long as the system has patience.
    os._exit(0)


#: <linux/sockios.h>, <linux/if.h>
_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--mode", default="", help="those whose name has this in it")
    parser.add_argument("--rounds", type=int, default=5, help="how often each")


def _measure(asked: Namespace) -> Iterator[Result]:
    if not available() or not names_available():
        raise SystemExit("sshd, sftp-server or unshare is missing: run scripts/install-test-servers")
    total = Figures()
    for _ in range(asked.rounds):
        for name in MODES:
            if asked.mode in name:
                total.add(anyio.run(hang, name))
                total.counts["ways to hang"] += 1
        if asked.mode in NAMES:
            total.add(hang_at_names())
            total.counts["ways to hang"] += 1
    yield Result("hangs", f"python -m tests.prove hangs --rounds {asked.rounds}", total, kept=not asked.mode)


METHOD = Method(
    "hangs",
    "the far side hangs in every way that one can, from the name server to the close of a file; every call ends by its"
    " deadline, no connection is left, and another account goes on",
    _options,
    _measure,
)

if __name__ == "__main__":
    anyio.run(_inside)
