"""Everyone who is not the far side that was meant: nothing of a request, a login or a secret may reach them.

Each stranger stands where the marketplace should, remembers every byte that it could read, and is asked as the
marketplace would be. One friend among them shows that the asking is real.
"""

import asyncio
import os
import ssl
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.to_thread
import asyncssh
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from daemon.errors import DaemonError, Unreachable
from daemon.transports.http import HttpClient
from daemon.transports.sftp import Sftp, SftpLogin, offered_host_keys
from daemon.transports.tls import trusting
from tests.cable import cable_to, raw_server
from tests.prove.figures import Figures
from tests.prove.method import Method, Result
from tests.tls import Authority, Leaf, self_signed

#: what stands in every login, header and body here: none of them may show up at a stranger's
CANARY = "kanari3nv0gel"
_PAST, _LONG_AGO, _FUTURE = (datetime(year, 6, 1, tzinfo=UTC) for year in (2025, 2024, 2120))
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass
class Heard:
    """What a stranger got to read."""

    read: bytearray = field(default_factory=bytearray)
    names: list[str] = field(default_factory=list)

    @property
    def told(self) -> bool:
        """Whether anything was said that is not a greeting."""
        return bool(self.names) or CANARY.encode() in self.read


@dataclass(frozen=True, slots=True)
class Web:
    """A server of HTTPS: its certificate, the name by which it is asked, and what the authority may vouch for."""

    server: Callable[[Authority], ssl.SSLContext | None]
    host: str = "127.0.0.1"
    only: str = ""


def _leaf(**changes: Any) -> Callable[[Authority], ssl.SSLContext]:
    return lambda authority: authority.server(Leaf(**changes))


def _speaking(protocol: ssl.TLSVersion) -> Callable[[Authority], ssl.SSLContext]:
    return lambda authority: authority.server(Leaf(), protocol=protocol)


def _another(authority: Authority, name: str) -> ssl.SSLContext:
    folder = authority.folder / "another"
    folder.mkdir()
    return Authority(folder, name).server(Leaf())


_SHOP = "shop.example.test"

WEB: Mapping[str, Web] = {
    "expired": Web(_leaf(since=_LONG_AGO, until=_PAST)),
    "not valid yet": Web(_leaf(since=_FUTURE)),
    "for another address": Web(_leaf(known_as=("127.0.0.2",))),
    "for another name": Web(_leaf(known_as=("other.example.test",)), _SHOP),
    "for every name": Web(_leaf(known_as=("*",)), _SHOP),
    "for the names below it": Web(_leaf(known_as=(f"*.{_SHOP}",)), _SHOP),
    "for a domain, asked two names below": Web(_leaf(known_as=("*.example.test",)), f"a.{_SHOP}"),
    "with the name in its subject alone": Web(_leaf(common_name=_SHOP, known_as=("x.test",)), _SHOP),
    "for clients": Web(_leaf(purpose=ExtendedKeyUsageOID.CLIENT_AUTH)),
    "signed by itself": Web(lambda authority: self_signed(authority.folder)),
    "of an authority that nobody knows": Web(lambda authority: _another(authority, "unknown")),
    "of another authority of the same name": Web(lambda authority: _another(authority, "authority")),
    "of one that is no authority": Web(lambda authority: authority.server_behind(Leaf(_SHOP, (_SHOP,)), Leaf())),
    "beyond what its authority may vouch for": Web(_leaf(known_as=("shop.other.test",)), "shop.other.test", _SHOP),
    "with a key of 1024 bits": Web(lambda authority: authority.server(Leaf(key=rsa.generate_private_key(65537, 1024)))),
    "by TLS 1.0": Web(_speaking(ssl.TLSVersion.TLSv1)),
    "by TLS 1.1": Web(_speaking(ssl.TLSVersion.TLSv1_1)),
    "without TLS": Web(lambda _: None),
}
FRIENDS: Mapping[str, Web] = {
    "by its address": Web(_leaf()),
    "by its name": Web(_leaf(known_as=(_SHOP,)), _SHOP),
    "by its domain": Web(_leaf(known_as=("*.example.test",)), _SHOP),
}


async def ask_by_https(web: Web, folder: Path) -> tuple[str, Heard]:
    """Ask as La Redoute would be asked; how it ended, and what the server got to read."""
    heard = Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.read += await reader.read(65536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    authority = Authority(folder, only=web.only)
    context = await anyio.to_thread.run_sync(web.server, authority)
    async with raw_server(serve, tls=context) as port:
        return await _asked(f"https://{web.host}:{port}/{CANARY}", trusting(authority.path)), heard


async def _asked(url: str, tls: ssl.SSLContext | None = None) -> str:
    async with HttpClient(user=CANARY, password=CANARY, tls=tls) as client:
        try:
            await client.post(url, headers={"x-token": CANARY}, body=CANARY.encode(), deadline=30, at="127.0.0.1")
        except DaemonError as error:
            return type(error).__name__
    return "ok"


async def be_sent_elsewhere(status: int, scheme: str) -> tuple[str, Heard]:
    """Ask a friend who answers with a redirect; what the one to whom it leads got to read."""
    heard = Heard()

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.names.append("connected")

    async with raw_server(stranger) as elsewhere:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n" + CANARY.encode())
            there = f"{scheme}//localhost:{elsewhere}/".encode()
            head = b"HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\nRefresh: 0; url=%s\r\n" % (status, there, there)
            writer.write(head + b"Content-Length: 0\r\n\r\n")
            await writer.drain()

        async with raw_server(serve) as port:
            return await _asked(f"http://127.0.0.1:{port}/"), heard


async def live_in_a_bad_environment(folder: Path) -> tuple[str, Heard]:
    """Proxies, a .netrc and authorities of the environment, all of them a stranger's."""
    heard, asked = Heard(), bytearray()

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.read += await reader.read(65536)
        heard.names.append("connected")

    async def friend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    (folder / ".netrc").write_text("default login stranger password stranger\n", "ascii")
    async with raw_server(stranger) as proxy, raw_server(friend) as port:
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        with _environment(dict.fromkeys(names, f"http://127.0.0.1:{proxy}") | {"HOME": str(folder)}):
            told = await _asked(f"http://127.0.0.1:{port}/")
            async with HttpClient() as without_login:
                await without_login.get(f"http://127.0.0.1:{port}/")
    if b"c3RyYW5nZXI" in asked:
        heard.names.append("the login of a .netrc left")
    return told, heard


@contextmanager
def _environment(said: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(said)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True, slots=True)
class Ssh:
    """A server of SSH: the keys that it shows, and those that are pinned for it; `options` are asyncssh's."""

    shown: Callable[[], list[Any]]
    pinned: Callable[[list[Any]], tuple[str, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)


def _key(kind: str = "ssh-ed25519") -> asyncssh.SSHKey:
    return asyncssh.generate_private_key(kind)


def _line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode("ascii").strip()


def _fresh(_: list[Any]) -> tuple[str, ...]:
    return (_line(_key()),)


def _certified() -> list[Any]:
    """A key with a host certificate, and the authority that made it."""
    authority, key = _key(), _key()
    return [(key, authority.generate_host_certificate(key, "host", principals=["127.0.0.1"])), authority]


SSH: Mapping[str, Ssh] = {
    "another key": Ssh(lambda: [_key()], _fresh),
    "another kind of key, RSA": Ssh(lambda: [_key("ssh-rsa")], _fresh),
    "another kind of key, ECDSA": Ssh(lambda: [_key("ecdsa-sha2-nistp256")], _fresh),
    "another key where RSA is pinned": Ssh(lambda: [_key("ssh-rsa")], lambda _: (_line(_key("ssh-rsa")),)),
    "a host certificate of an authority that is pinned as a key": Ssh(_certified, lambda shown: (_line(shown[1]),)),
    "a host certificate, and another key pinned": Ssh(_certified, _fresh),
    "a key, and none pinned": Ssh(lambda: [_key()], lambda _: ()),
    "a key, and rubbish pinned": Ssh(lambda: [_key()], lambda _: ("ssh-ed25519 rubbish",)),
    "the pinned key, by ciphers in CBC alone": Ssh(
        lambda: [_key()], lambda shown: (_line(shown[0]),), {"encryption_algs": ["aes128-cbc", "3des-cbc"]}
    ),
    "the pinned key, by a group of 1024 bits": Ssh(
        lambda: [_key()], lambda shown: (_line(shown[0]),), {"kex_algs": ["diffie-hellman-group1-sha1"]}
    ),
    "the pinned key, by MACs of MD5": Ssh(
        lambda: [_key()],
        lambda shown: (_line(shown[0]),),
        {"encryption_algs": ["aes128-ctr"], "mac_algs": ["hmac-md5"]},
    ),
}
SSH_FRIENDS: Mapping[str, Ssh] = {
    "the pinned key": Ssh(lambda: [_key()], lambda shown: (_line(shown[0]),)),
    "a pinned key of RSA": Ssh(lambda: [_key("ssh-rsa")], lambda shown: (_line(shown[0]),)),
    "one of two pinned keys": Ssh(lambda: [_key()], lambda shown: (_line(_key()), _line(shown[0]))),
}


async def log_in_by_ssh(ssh: Ssh) -> tuple[str, Heard]:
    """Log in as at a marketplace; how it ended, and what the server was told."""
    heard = Heard()

    class Door(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            heard.names.append(username)
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            heard.names.append(password)
            return False

    shown = ssh.shown()
    options = {"server_host_keys": shown[:1], **ssh.options}
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Door, **options)
    async with cable_to("127.0.0.1", server.get_port()) as cable:
        cable.tapped = True
        login = SftpLogin("127.0.0.1", cable.port, CANARY, CANARY, host_keys=ssh.pinned(shown))
        sftp = Sftp(login)
        try:
            await sftp.list("")
            told = "ok"
        except DaemonError as error:
            told = type(error).__name__
        await sftp.aclose()
        # Asking for keys to compare tells no name either.
        with suppress(Unreachable):
            await offered_host_keys("127.0.0.1", cable.port, 10)
        heard.read += cable.heard
    server.close()
    await server.wait_closed()
    return told, heard


async def log_in_at_what_is_no_ssh() -> tuple[str, Heard]:
    """A server that only listens."""
    heard = Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 FTP ready\r\nSSH-2.0-x\r\n")
        while data := await reader.read(65536):
            heard.read += data
            writer.write(b"331 Password required\r\n" * 4)

    async with raw_server(serve) as port:
        sftp = Sftp(SftpLogin("127.0.0.1", port, CANARY, CANARY, host_keys=_fresh([])))
        try:
            await sftp.list("")
        except DaemonError as error:
            return type(error).__name__, heard
        finally:
            await sftp.aclose()
    return "ok", heard


async def meet_all() -> Figures:
    """Meet every stranger and every friend once."""
    figures = Figures()
    for name, web in WEB.items():
        with TemporaryDirectory() as folder:
            _judge(f"a certificate {name}", *await ask_by_https(web, Path(folder)), figures)
    for name, web in FRIENDS.items():
        with TemporaryDirectory() as folder:
            told, heard = await ask_by_https(web, Path(folder))
            _judge_friend(f"a certificate {name}", told == "ok" and heard.told, figures)
    for status in _REDIRECTS:
        for scheme in ("http:", "https:", ""):
            _judge(f"a redirect {status} to {scheme}//", *await be_sent_elsewhere(status, scheme), figures)
    with TemporaryDirectory() as folder:
        told, heard = await live_in_a_bad_environment(Path(folder))
        _judge("a proxy of the environment", "Ignored" if told == "ok" else told, heard, figures)
    for name, ssh in SSH.items():
        _judge(f"an SSH server with {name}", *await log_in_by_ssh(ssh), figures)
    for name, ssh in SSH_FRIENDS.items():
        _, heard = await log_in_by_ssh(ssh)
        _judge_friend(f"an SSH server with {name}", heard.names == [CANARY, CANARY], figures)
    _judge("a server that is no SSH", *await log_in_at_what_is_no_ssh(), figures)
    return figures


def _judge(name: str, told: str, heard: Heard, figures: Figures) -> None:
    figures.counts["strangers met"] += 1
    figures.hit[f"{name}: {told}"] += 1
    if heard.told:
        figures.broken.append(f"{name}: it was told {heard.names or 'what was to be sent'}")
    if told not in ("AccessDenied", "Unreachable", "Unconfirmed", "Refused", "Ignored"):
        figures.broken.append(f"{name}: it ended {told}")


def _judge_friend(name: str, reached: bool, figures: Figures) -> None:
    figures.counts["friends met"] += 1
    if not reached:
        figures.broken.append(f"{name}: a friend was not told what was to be sent")


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10, help="how often each is met, with keys of its own")


def _measure(asked: Namespace) -> Iterator[Result]:
    figures = Figures()
    for _ in range(asked.rounds):
        figures.add(anyio.run(meet_all))
    yield Result("strangers", f"python -m tests.prove strangers --rounds {asked.rounds}", figures)


METHOD = Method(
    "strangers",
    "servers with every wrong certificate and host key, redirects and proxies stand where the marketplace should, and"
    " look for one byte of a request, a user's name or a password",
    _options,
    _measure,
)
