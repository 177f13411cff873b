"""Calls to the outside are counted by how they end, over real sockets."""

from collections import Counter

import anyio
import pytest

from daemon.errors import AccessDenied, Refused, Unconfirmed, Unreachable, Unreadable
from daemon.transports.calls import calls, counted
from daemon.transports.http import HttpClient
from daemon.transports.mail import send_mail
from daemon.transports.sftp import Sftp
from tests.smtp import mail_server
from tests.transports.conftest import sftp_server
from tests.transports.test_http import serving
from tests.transports.test_mail import MAIL, plain


def grown(before: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return dict(Counter(calls()) - Counter(before))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unreachable("no route"), "unreachable"),
        (Unconfirmed("silence"), "unconfirmed"),
        (AccessDenied("no"), "denied"),
        (Refused("no"), "refused"),
        (Unreadable("what"), "unreadable"),
        (KeyError("ours"), "cut"),
    ],
)
def test_each_end_is_counted_and_goes_on_as_it_is(error: Exception, outcome: str) -> None:
    before = calls()
    with pytest.raises(type(error)) as raised, counted("sftp"):
        raise error
    assert raised.value is error
    assert grown(before) == {("sftp", outcome): 1}


async def test_http_and_mail_are_counted() -> None:
    before = calls()
    async with serving() as server, HttpClient() as client:
        await client.get(server.url)
    async with mail_server() as inbox:
        await send_mail(plain(inbox.port), MAIL)
    with pytest.raises(Unreachable):
        await send_mail(plain(inbox.port), MAIL)
    assert grown(before) == {("http", "ok"): 1, ("mail", "ok"): 1, ("mail", "unreachable"): 1}


async def test_sftp_calls_are_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    before = calls()
    async with sftp_server(tmp_path_factory.mktemp("root")) as login:
        sftp = Sftp(login)
        with anyio.fail_after(20):
            await sftp.list("/")
            with pytest.raises(Refused):
                await sftp.list("/nowhere")
        await sftp.aclose()
    assert grown(before) == {("sftp", "ok"): 1, ("sftp", "refused"): 1}
