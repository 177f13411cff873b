"""An SFTP session that lists folders and fetches small files, with many requests under way.

asyncssh's own client lists a folder by one request after the other, and sends each request in a packet of its own. Here
what is ready to be asked leaves in one piece, and a folder is read ahead: a hundred names come with each answer, so at
20 ms a folder of 20,000 would take four seconds otherwise. It speaks version 3 of SFTP, which every server does
(draft-ietf-secsh-filexfer-02), on a channel of its own and by the public calls of asyncssh's channels. Nothing is
written through it.
"""

import asyncio
import struct
from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import asyncssh

#: the data that every server puts into one answer; a longer file is not read here
SMALL = 32 << 10
# Longer than any answer to what is asked here, a hundred names at their longest say, with room for some that are odd.
_LONGEST_ANSWER = 1 << 20
# What the draft allows (section 6.3); it is sent back with each question about the file.
_LONGEST_HANDLE = 256

_INIT, _VERSION, _OPEN, _CLOSE, _READ, _FSTAT, _OPENDIR, _READDIR = 1, 2, 3, 4, 5, 8, 11, 12
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS = 101, 102, 103, 104, 105
_SIZE, _OWNER, _MODE, _TIMES, _EXTENDED = 1, 2, 4, 8, 1 << 31
_TYPE_BITS, _REGULAR = 0o170000, 0o100000

_REQUEST = struct.Struct(">IBI")
_RANGE = struct.Struct(">QI")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")

_ERRORS = {
    asyncssh.FX_EOF: asyncssh.SFTPEOFError,
    asyncssh.FX_NO_SUCH_FILE: asyncssh.SFTPNoSuchFile,
    asyncssh.FX_PERMISSION_DENIED: asyncssh.SFTPPermissionDenied,
    asyncssh.FX_NO_CONNECTION: asyncssh.SFTPNoConnection,
    asyncssh.FX_CONNECTION_LOST: asyncssh.SFTPConnectionLost,
}

# The kind of an answer and what follows its number.
_Answer: TypeAlias = tuple[int, bytes]


class Attributes(NamedTuple):
    """What a server says of a file; None is what it does not say. `modified` is in seconds."""

    size: int | None
    modified: int | None
    mode: int | None


class Entry(NamedTuple):
    """One name of a listed folder."""

    name: bytes
    size: int | None
    modified: int | None
    regular: bool


class Pipeline(asyncssh.SSHClientSession[bytes]):
    """One such session, with at most `most` requests under way.

    Its calls raise asyncssh's errors, as those of asyncssh's own client do. A call that is cancelled leaves handles
    behind at the server: the connection is to be dropped then.
    """

    def __init__(self, most: int) -> None:
        loop = asyncio.get_running_loop()
        self._soon = loop.call_soon
        self._future = loop.create_future
        self._most = most
        self._waiting: deque[tuple[int, bytes, Future[_Answer]]] = deque()
        self._asked: dict[int, Future[_Answer]] = {}
        self._received = bytearray()
        self._number = 0
        self._due = False
        self._broken: Exception | None = None
        self._greeting: Future[_Answer] = self._future()

    @classmethod
    async def start(cls, connection: asyncssh.SSHClientConnection, most: int) -> "Pipeline":
        """Open a channel and greet the server; raises asyncssh's error where it allows no further one."""
        channel, session = await connection.create_session(lambda: cls(most), subsystem="sftp", encoding=None)
        assert isinstance(session, cls)  # noqa: S101 - it is what the factory made
        channel.write(_U32.pack(5) + bytes([_INIT]) + _U32.pack(3))
        await session._greeting  # noqa: SLF001 - our own
        return session

    @property
    def ended(self) -> bool:
        """Whether it is of no more use: the server may end one that nothing is asked of."""
        return self._broken is not None

    async def names(self, folder: bytes, take: Callable[[Entry], None]) -> None:
        """Give every entry of a folder to `take`; what that raises ends it.

        It is read further ahead with each answer, so that a small folder costs few requests.
        """
        with _decoding():
            failed = await self._names(folder, take)
        if failed is not None and not isinstance(failed, asyncssh.SFTPEOFError):
            raise failed

    async def fetch(self, path: bytes, size: int) -> tuple[bytes, Attributes]:
        """The first `size` bytes of a file, at most SMALL, and what the server says of it after they were read.

        Fewer come where the file is shorter, and where the server gives less in one answer than it was asked for.
        """
        with _decoding():
            handle = _handle(await self._ask(_OPEN, _string(path) + _U32.pack(asyncssh.FXF_READ) + _U32.pack(0)))
            # What is asked about one file is answered in its order (section 7 of the draft): these may leave together.
            reading = self._ask(_READ, handle + _RANGE.pack(0, max(size, 1)))
            looking = self._ask(_FSTAT, handle)
            await self._ask(_CLOSE, handle)
            content = _data(*await reading)
            if len(content) > max(size, 1):
                raise asyncssh.SFTPBadMessage("more bytes than were asked for")
            return content, _attributes(*await looking)

    def connection_made(self, chan: "asyncssh.SSHClientChannel[bytes]") -> None:
        """The channel is there."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Hand out the answers that are whole by now."""
        if datatype is not None:
            return  # what a server says on its stderr
        self._received += data
        try:
            self._hand_out()
        except asyncssh.SFTPBadMessage as error:
            self._break(error)
        self._send_soon()

    def eof_received(self) -> bool:
        """The server has ended the session."""
        self._break(asyncssh.SFTPConnectionLost("the server ended the session"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is gone."""
        self._break(asyncssh.SFTPConnectionLost(str(exc or "the channel was closed")))

    async def _names(self, folder: bytes, take: Callable[[Entry], None]) -> Exception | None:
        """Give the entries of a folder to `take`; returns the answer that was no further one of them."""
        handle = _handle(await self._ask(_OPENDIR, _string(folder)))
        failed: Exception | None = None
        asked = deque([self._ask(_READDIR, handle), self._ask(_READDIR, handle)])
        answers = 0
        while asked:
            kind, body = await asked.popleft()
            if kind == _NAME:
                answers += 1
                for entry in _entries(body):
                    take(entry)
            else:
                # The first that is no name ends it; what was asked beyond the end says no more than that.
                failed = failed or _failure(kind, body)
            while failed is None and len(asked) < min(self._most, 2 * answers - 1):
                asked.append(self._ask(_READDIR, handle))
        await self._ask(_CLOSE, handle)
        return failed

    def _ask(self, kind: int, body: bytes) -> "Future[_Answer]":
        """Put a question behind those that wait; it leaves with whatever else is asked in this turn of the loop."""
        if self._broken is not None:
            raise self._broken
        answer: Future[_Answer] = self._future()
        self._waiting.append((kind, body, answer))
        self._send_soon()
        return answer

    def _send_soon(self) -> None:
        if self._waiting and not self._due and len(self._asked) < self._most:
            self._due = True
            self._soon(self._send)

    def _send(self) -> None:
        self._due = False
        packets: list[bytes] = []
        while self._waiting and len(self._asked) < self._most:
            kind, body, answer = self._waiting.popleft()
            self._number = (self._number + 1) & 0xFFFFFFFF
            self._asked[self._number] = answer
            packets += _REQUEST.pack(len(body) + 5, kind, self._number), body
        if packets and self._broken is None:
            try:
                self._channel.write(b"".join(packets))
            except (OSError, asyncssh.Error) as error:
                self._break(asyncssh.SFTPConnectionLost(str(error)))

    def _hand_out(self) -> None:
        """Give every whole answer to who asked for it; raises where the bytes are no answers to what was asked."""
        received, start = self._received, 0
        while len(received) - start >= 9:
            length, kind, number = _REQUEST.unpack_from(received, start)
            if not 5 <= length <= _LONGEST_ANSWER:
                raise asyncssh.SFTPBadMessage(f"an answer of {length} bytes")
            end = start + 4 + length
            if len(received) < end:
                break
            answer = self._greeting if kind == _VERSION else self._asked.pop(number, None)
            if answer is None:
                raise asyncssh.SFTPBadMessage("an answer to nothing that was asked")
            if not answer.done():
                answer.set_result((kind, bytes(received[start + 9 : end])))
            start = end
        del received[:start]

    def _break(self, error: Exception) -> None:
        """Nothing more comes: everybody who waits is told."""
        if self._broken is not None:
            return
        self._broken = error
        self._channel.abort()
        for answer in (self._greeting, *self._asked.values(), *(waiting[2] for waiting in self._waiting)):
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # nobody may be waiting for it any more, which is no mistake
        self._asked.clear()
        self._waiting.clear()


@contextmanager
def _decoding() -> Iterator[None]:
    """Answers that are not in their form make the session useless, as asyncssh's own client has it."""
    try:
        yield
    except struct.error as error:
        raise asyncssh.SFTPBadMessage(str(error)) from None


def _failure(kind: int, body: bytes) -> asyncssh.SFTPError:
    """The error that an answer is."""
    if kind != _STATUS:
        return asyncssh.SFTPBadMessage(f"an answer of kind {kind}")
    code, length = _U32.unpack_from(body)[0], 0
    if len(body) >= 8:
        (length,) = _U32.unpack_from(body, 4)
    reason = body[8 : 8 + length].decode("utf-8", "replace")
    known = _ERRORS.get(code)
    return asyncssh.SFTPError(code, reason) if known is None else known(reason)


def _handle(answer: _Answer) -> bytes:
    """The handle of an opened file or folder, as it goes into what is asked of it."""
    kind, body = answer
    if kind != _HANDLE:
        raise _failure(kind, body)
    if len(body) > _U32.size + _LONGEST_HANDLE:
        raise asyncssh.SFTPBadMessage(f"a handle of {len(body)} bytes")
    return body


def _data(kind: int, body: bytes) -> bytes:
    if kind == _DATA:
        (length,) = _U32.unpack_from(body)
        return body[4 : 4 + length]
    failed = _failure(kind, body)
    if isinstance(failed, asyncssh.SFTPEOFError):
        return b""
    raise failed


def _attributes(kind: int, body: bytes) -> Attributes:
    if kind != _ATTRS:
        raise _failure(kind, body)
    return _attributes_at(body, 0)[0]


def _attributes_at(body: bytes, at: int) -> tuple[Attributes, int]:
    """The attributes that begin at a place, and where they end."""
    (flags,) = _U32.unpack_from(body, at)
    at += 4
    size = modified = mode = None
    if flags & _SIZE:
        (size,) = _U64.unpack_from(body, at)
        at += 8
    if flags & _OWNER:
        at += 8
    if flags & _MODE:
        (mode,) = _U32.unpack_from(body, at)
        at += 4
    if flags & _TIMES:
        (modified,) = _U32.unpack_from(body, at + 4)
        at += 8
    if flags & _EXTENDED:
        (pairs,) = _U32.unpack_from(body, at)
        at += 4
        for _ in range(2 * pairs):
            at += 4 + _U32.unpack_from(body, at)[0]
    return Attributes(size, modified, mode), at


def _entries(body: bytes) -> list[Entry]:
    """The names of one answer; raises struct.error where it ends before they do."""
    (count,) = _U32.unpack_from(body)
    at = 4
    found = []
    for _ in range(count):
        start = at + 4
        at = start + _U32.unpack_from(body, at)[0]
        name = body[start:at]
        start = at + 4
        at = start + _U32.unpack_from(body, at)[0]
        first = body[start : start + 1]
        attributes, at = _attributes_at(body, at)
        # A server that gives no mode tells the kind only by the first sign of its `ls -l` line.
        regular = first == b"-" if attributes.mode is None else attributes.mode & _TYPE_BITS == _REGULAR
        found.append(Entry(name, attributes.size, attributes.modified, regular))
    if at > len(body):
        raise struct.error("the names are longer than their answer")
    return found


def _string(text: bytes) -> bytes:
    return _U32.pack(len(text)) + text
