"""One SSH connection with its SFTP session: how it is opened, and the one door that every call to it goes through."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
import asyncssh
from asyncssh.packet import PacketDecodeError

from daemon.errors import AccessDenied, Refused, TransportError, Unconfirmed, Unreachable
from daemon.transports.sftp_keys import accepted_signatures, parse_private_key, parse_public_key
from daemon.transports.sftp_pipeline import Pipeline

T = TypeVar("T")

KIB = 1 << 10
READ = asyncssh.FXF_READ
OVERWRITE = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC
EXCLUSIVE = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL

# One request is at most this long, so that sixteen of them do not hold up the small calls beside them on a slow line.
_BLOCK = 128 * KIB
# As much as asyncssh lets a server send before it is told that it was taken.
_UNDER_WAY = 2048 * KIB
# A file that must arrive in one piece goes in one request up to this length, where the server takes it.
_LARGEST_WRITE = 256 * KIB

# Every cipher that is safe today, the one that processors are quickest at first.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)

# Errors by which the library tells that the session is of no more use; the others are the server's own answers.
_BROKEN = (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost, asyncssh.SFTPBadMessage)
_GONE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


class Stake(Enum):
    """What an error of a call means for what is being delivered: the error's kind for a loss, and for a no."""

    NOTHING = (Unreachable, Refused)
    """Nothing is visible at the far side yet, so a loss delivers nothing."""
    NAME = (Unconfirmed, Refused)
    """The call itself makes the file visible: lost, it may have; refused, it has not."""
    DATA = (Unconfirmed, Unconfirmed)
    """The file is visible while it is written, and may be read by now, whole or torn."""


class FileGone(Refused):
    """The server has no such file or folder (any more)."""


@dataclass(frozen=True, slots=True)
class SftpTimeouts:
    """Deadlines in seconds. A transfer has `transfer`, and as much again as its bytes take at `slowest` bytes a second.

    A connection whose far side leaves `keepalives` of them unanswered, sent every `keepalive` seconds, is given up.
    """

    connect: float = 15
    login: float = 30
    list: float = 60
    call: float = 30
    transfer: float = 60
    slowest: float = 32 * KIB
    keepalive: float = 15
    keepalives: int = 3

    def for_bytes(self, length: int) -> float:
        """Return the deadline for moving `length` bytes."""
        return self.transfer + length / self.slowest


@dataclass(frozen=True, slots=True)
class SftpLogin:
    """Where an SFTP server is, how to log in, and by which keys it is known.

    `host_keys` are public key lines in OpenSSH form; with none the login is refused. `in_flight` is how many requests
    an SFTP session has under way, of at most `connections` connections. With `pipelining` folders are listed and small
    files fetched in a second session of the connection (`sftp_pipeline`).
    """

    host: str
    port: int = 22
    user: str = ""
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    host_keys: tuple[str, ...] = ()
    connections: int = 1
    in_flight: int = 64
    pipelining: bool = True
    timeouts: SftpTimeouts = field(default_factory=SftpTimeouts)

    @property
    def where(self) -> str:
        """The server's name for error texts."""
        return self.host if self.port == 22 else f"{self.host}:{self.port}"


class Session:
    """One connection, shared by those who use it at the same time.

    Once anything on it fails, times out or is cancelled it is retired: a lost answer may have left a handle open at
    the far side, and only the end of the connection closes that. Who is still using it may go on; the last one out
    aborts it. It is never closed politely: a server that hangs would not answer that, and one that does not may take a
    good-bye for the end of the upload, and half a file for a whole one.
    """

    def __init__(self, connection: asyncssh.SSHClientConnection, client: asyncssh.SFTPClient, login: SftpLogin) -> None:
        self.client = client
        self.pipeline: Pipeline | None = None
        self.where = login.where
        self.timeouts = login.timeouts
        self.in_flight = login.in_flight
        self.users = 0
        self.read_block = min(client.limits.max_read_len, _BLOCK)
        self.write_block = min(client.limits.max_write_len, _BLOCK)
        self.largest_write = min(client.limits.max_write_len, _LARGEST_WRITE)
        #: so much of one file is under way at most, whatever its length and that of its handle
        self.blocks_in_flight = min(login.in_flight, _UNDER_WAY // _BLOCK)
        self._connection = connection
        self._retired = False
        self._requests = anyio.Semaphore(login.in_flight, fast_acquire=True)

    @property
    def usable(self) -> bool:
        """Whether a new user may take it."""
        return not self._retired and not self.lost

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._connection.is_closed()

    def retire(self) -> None:
        """Take no new users."""
        self._retired = True

    def release(self) -> None:
        """End one use of it."""
        self.users -= 1
        if self._retired and self.users == 0:
            self._connection.abort()

    async def abort(self) -> None:
        """Drop the connection now, under whoever uses it."""
        self._retired = True
        self._connection.abort()
        # Waits for our own side only, which an abort ends at once; the bound is for the unforeseen.
        with anyio.move_on_after(1, shield=True):
            await self._connection.wait_closed()

    async def ask(
        self, call: Callable[[], Awaitable[T]], deadline: float, doing: str, *, stake: Stake = Stake.NOTHING
    ) -> T:
        """Make one remote call within `deadline` seconds, waiting for its turn included; `doing` is for error texts.

        Raises FileGone where the server has no such thing, and otherwise what `stake` says.
        """
        with self.answering(deadline, doing, stake=stake):
            async with self._requests:
                return await call()

    @contextmanager
    def answering(self, deadline: float, doing: str, *, stake: Stake = Stake.NOTHING) -> Iterator[None]:
        """Give what the far side does in the block `deadline` seconds, and its errors their names, as `ask` does."""
        lost, refused = stake.value
        try:
            with anyio.fail_after(deadline):
                yield
        except TimeoutError:
            self.retire()
            raise lost(f"{self.where}: no answer within {deadline:g} s while {doing}") from None
        except _BROKEN as error:
            self.retire()
            raise lost(f"{self.where}: the session broke while {doing}: {_reason(error)}") from error
        except _GONE as error:
            raise FileGone(f"{self.where}: nothing there while {doing}") from error
        except asyncssh.SFTPError as error:
            raise refused(f"{self.where}: refused while {doing}: {_reason(error)}") from error
        except (OSError, EOFError, PacketDecodeError, asyncssh.Error) as error:
            self.retire()
            raise lost(f"{self.where}: the connection was lost while {doing}: {_reason(error)}") from error
        except BaseException:
            self.retire()
            raise

    async def start_pipeline(self) -> bool:
        """Open the second session; returns whether the server allows it. Raises as `ask` does where it hangs."""
        with self.answering(self.timeouts.call, "opening a second session"):
            try:
                self.pipeline = await Pipeline.start(self._connection, self.in_flight)
            except (asyncssh.ChannelOpenError, asyncssh.SFTPError):
                return False
        return True

    @asynccontextmanager
    async def opened(
        self,
        path: bytes,
        flags: int,
        doing: str,
        *,
        opening: Stake = Stake.NOTHING,
        closing: Stake = Stake.NOTHING,
    ) -> AsyncIterator[asyncssh.SFTPClientFile]:
        """Open a remote file and close it again; left by an error, its handle ends with the connection."""
        # Block size 0: each read and write is one request, so that how many are in flight is decided here alone.
        call = partial(self.client.open, path, flags, encoding=None, block_size=0)
        file = await self.ask(call, self.timeouts.call, doing, stake=opening)
        try:
            yield file
        except BaseException:
            self.retire()
            raise
        await self.ask(file.close, self.timeouts.call, doing, stake=closing)


async def dial(login: SftpLogin) -> Session:
    """Connect, check the server's key against the pinned ones, log in and start SFTP.

    Raises AccessDenied where a person is needed (no pinned key, another key, login refused), else Unreachable.
    """
    if not login.host_keys:
        raise AccessDenied(
            f"{login.where}: no host key is pinned for this server;"
            " compare and pin it with: sellerd accounts trust NAME"
        )
    try:
        pinned = [parse_public_key(line) for line in login.host_keys]
    except ValueError as error:
        raise AccessDenied(f"{login.where}: a pinned host key cannot be read: {error}") from None
    own_key: asyncssh.SSHKey | None = None
    if login.private_key:
        try:
            # In a thread: opening an encrypted key is slow on purpose.
            own_key = await anyio.to_thread.run_sync(parse_private_key, login.private_key, login.passphrase)
        except ValueError as error:
            raise AccessDenied(f"{login.where}: {error}") from None

    visitor = _Visitor()
    try:
        with anyio.fail_after(login.timeouts.connect) as scope:
            visitor.on_connected = partial(_extend, scope, login.timeouts.login)
            connection = await _connect(login, pinned, own_key, visitor)
    except (OSError, EOFError, ValueError, asyncssh.Error) as error:
        # Their texts name the user who logs in; what they say is in ours.
        raise _denied_or_unreachable(error, login, pinned, visitor) from None
    try:
        with anyio.fail_after(login.timeouts.call):
            client = await connection.start_sftp_client(path_encoding=None)
    except (OSError, EOFError, ValueError, asyncssh.Error) as error:
        connection.abort()
        raise Unreachable(f"{login.where}: logged in, but SFTP did not start: {_reason(error)}") from None
    except BaseException:
        connection.abort()
        raise
    return Session(connection, client, login)


async def together(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T | Exception]:
    """Make calls at the same time and return what each returned or raised, in their order."""
    results: dict[int, T | Exception] = {}

    async def make(place: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[place] = await call()
        except Exception as error:  # noqa: BLE001 - handed to the caller as a value
            results[place] = error

    async with anyio.create_task_group() as group:
        for place, call in enumerate(calls):
            group.start_soon(make, place, call)
    return [results[place] for place in range(len(calls))]


class _Visitor(asyncssh.SSHClient):
    """Our side of one login: tells when the network answered, and remembers a host key that is not pinned."""

    def __init__(self) -> None:
        self.on_connected: Callable[[], None] = lambda: None
        self.offered: asyncssh.SSHKey | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:  # noqa: ARG002 - theirs
        self.on_connected()

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002 - theirs
        addr: str,  # noqa: ARG002 - theirs
        port: int,  # noqa: ARG002 - theirs
        key: asyncssh.SSHKey,
    ) -> bool:
        # Only asked for keys that are not among the pinned ones.
        self.offered = key
        return False


async def _connect(
    login: SftpLogin, pinned: Sequence[asyncssh.SSHKey], own_key: asyncssh.SSHKey | None, visitor: _Visitor
) -> asyncssh.SSHClientConnection:
    """Open the connection with nothing taken from this machine: no files, keys or agent of whoever runs us."""
    return await asyncssh.connect(
        login.host,
        login.port,
        config=None,
        known_hosts=(list(pinned), [], []),
        server_host_key_algs=accepted_signatures(pinned),
        username=login.user,
        password=login.password or None,
        client_keys=[own_key] if own_key else None,
        agent_path=None,
        gss_host=None,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=[],
        client_factory=lambda: visitor,
        encryption_algs=list(_CIPHERS),
        connect_timeout=None,
        login_timeout=login.timeouts.login,
        keepalive_interval=login.timeouts.keepalive,
        keepalive_count_max=login.timeouts.keepalives,
        utf8_decode_errors="replace",
    )


def _extend(scope: anyio.CancelScope, seconds: float) -> None:
    scope.deadline = anyio.current_time() + seconds


def _denied_or_unreachable(
    error: Exception, login: SftpLogin, pinned: Sequence[asyncssh.SSHKey], visitor: _Visitor
) -> TransportError:
    where = login.where
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        shown = visitor.offered.get_fingerprint() if visitor.offered else "one that cannot be read"
        expected = ", ".join(key.get_fingerprint() for key in pinned)
        return AccessDenied(
            f"{where}: its host key is {shown}, pinned is {expected}; nothing was sent. If the server has a new key,"
            " compare and pin it with: sellerd accounts trust NAME"
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return AccessDenied(f"{where}: no agreement on host key or ciphers: {_reason(error)}")
    if isinstance(error, (asyncssh.PermissionDenied, asyncssh.IllegalUserName)):
        return AccessDenied(f"{where}: the login was refused")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{where}: no connection and login in time")
    return Unreachable(f"{where}: not reached: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Return an error's text in one short line of printable characters: a server may have written it."""
    text = str(getattr(error, "reason", "") or error) or type(error).__name__
    return "".join(char if char.isprintable() else " " for char in text)[:300]
