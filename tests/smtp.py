"""A mail server for tests: it speaks SMTP over a real socket, keeps what it is given, and fails as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class Inbox:
    """What the server was given. `answers` are its replies to a command instead of the usual one.

    An answer of "hang up" closes the connection there.
    """

    answers: dict[str, str] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    sign_ins: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def mails(self) -> list[EmailMessage]:
        """What came, read by the standard library."""
        return [message_from_bytes(raw, policy=policy.default) for raw in self.raw]


_USUAL: Mapping[str, str] = {
    "EHLO": "250-mail.example.test\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
    "HELO": "250 mail.example.test",
    "STARTTLS": "220 go ahead",
    "AUTH": "235 welcome",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go ahead",
    ".": "250 queued",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


@dataclass
class _Session:
    inbox: Inbox
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tls: ssl.SSLContext | None
    open: bool = True

    async def serve(self) -> None:
        self.inbox.connections += 1
        await self.say("220 mail.example.test ESMTP")
        while self.open and (line := (await self.reader.readline()).decode().rstrip()):
            self.inbox.commands.append(line)
            await self.answer(line)

    async def answer(self, line: str) -> None:
        verb = line.split()[0].upper()
        if verb == "MAIL":
            self.inbox.recipients.append([])
        elif verb == "RCPT":
            self.inbox.recipients[-1].append(line.partition("<")[2].partition(">")[0])
        elif verb == "AUTH":
            self.inbox.sign_ins.append(line)
        reply = self.inbox.answers.get(verb, self.greeting() if verb == "EHLO" else _USUAL.get(verb, "502 unknown"))
        await self.say(reply)
        if verb == "STARTTLS" and self.tls is not None and reply.startswith("220"):
            await self.writer.start_tls(self.tls)
            self.tls = None
        elif verb == "DATA" and reply.startswith("354"):
            await self.take()
        elif verb == "QUIT":
            self.open = False

    def greeting(self) -> str:
        name, rest = _USUAL["EHLO"].split("\r\n", 1)
        return "\r\n".join([name, *(["250-STARTTLS"] if self.tls is not None else []), rest])

    async def take(self) -> None:
        raw = b""
        while (line := await self.reader.readline()) != b".\r\n":
            raw += line[1:] if line.startswith(b"..") else line
            if not line:
                return
        reply = self.inbox.answers.get(".", _USUAL["."])
        if reply.startswith("250"):
            self.inbox.raw.append(raw)
            self.inbox.came.set()
        await self.say(reply)

    async def say(self, reply: str) -> None:
        if reply == "hang up":
            self.open = False
            return
        self.writer.write(f"{reply}\r\n".encode())
        await self.writer.drain()


@asynccontextmanager
async def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Inbox]:
    """A mail server on loopback; it offers STARTTLS, or talks TLS from the first byte, or neither."""
    inbox = Inbox()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, ssl.SSLError):
                await _Session(inbox, reader, writer, starttls).serve()
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    inbox.port = server.sockets[0].getsockname()[1]
    try:
        yield inbox
    finally:
        server.close()
        await server.wait_closed()
