"""E-mail over real sockets: protected, refused, lost, and never in doubt about which."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.errors import AccessDenied, DaemonError, Refused, Unconfirmed, Unreachable
from daemon.transports.mail import Mail, send_mail
from daemon.transports.mailserver import MailServer, Security
from tests.smtp import mail_server
from tests.tls import certificate_in, self_signed

MAIL = Mail(
    id="sellerd-notice-7",
    sender="sellerd@seller.example",
    recipients=["ops@seller.example", "owner@seller.example"],
    subject="Élan: 2 alerts\r\nBcc: everybody@elsewhere.example",
    text="La Redoute a refusé l’accès.\n.\nA single dot above.\n",
    at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
)


def plain(port: int) -> MailServer:
    return MailServer("127.0.0.1", port, "none", timeout=5)


async def test_a_message_arrives_whole_and_a_line_break_makes_no_header() -> None:
    async with mail_server() as inbox:
        await send_mail(plain(inbox.port), MAIL)

    (mail,) = inbox.mails
    assert inbox.recipients == [["ops@seller.example", "owner@seller.example"]]
    assert (mail["Subject"], mail["Bcc"]) == ("Élan: 2 alerts Bcc: everybody@elsewhere.example", None)
    assert mail["Message-ID"] == "<sellerd-notice-7@seller.example>"
    assert mail["Date"].datetime == MAIL.at
    assert mail.get_content().replace("\r\n", "\n") == MAIL.text


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_protected_server_is_signed_in_to_when_its_certificate_is_trusted(
    tmp_path: Path, security: Security
) -> None:
    certificate = self_signed(tmp_path)
    tls, starttls = (certificate, None) if security == "tls" else (None, certificate)
    async with mail_server(tls=tls, starttls=starttls) as inbox:
        server = MailServer("127.0.0.1", inbox.port, security, "shop", "pass word", certificate_in(tmp_path), 5)
        await send_mail(server, MAIL)

    assert (len(inbox.mails), len(inbox.sign_ins)) == (1, 1)


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, security: Security) -> None:
    certificate = self_signed(tmp_path)
    tls, starttls = (certificate, None) if security == "tls" else (None, certificate)
    async with mail_server(tls=tls, starttls=starttls) as inbox:
        with pytest.raises(AccessDenied, match="certificate is not trusted"):
            await send_mail(MailServer("127.0.0.1", inbox.port, security, "shop", "pass", timeout=5), MAIL)

    assert (inbox.raw, inbox.sign_ins) == ([], [])


async def test_a_server_that_offers_no_protection_is_not_signed_in_to() -> None:
    async with mail_server() as inbox:
        with pytest.raises(DaemonError):
            await send_mail(MailServer("127.0.0.1", inbox.port, "starttls", "shop", "pass", timeout=5), MAIL)

    assert (inbox.raw, inbox.sign_ins) == ([], [])


@pytest.mark.parametrize(
    ("verb", "answer", "meaning"),
    [
        ("AUTH", "535 no such user", AccessDenied),
        ("MAIL", "530 sign in first", AccessDenied),
        ("MAIL", "451 try later", Refused),
        ("RCPT", "550 nobody here", Refused),
        ("RCPT", "hang up", Unreachable),
        ("DATA", "hang up", Unconfirmed),
        (".", "554 looks like spam", Refused),
        (".", "hang up", Unconfirmed),
    ],
)
async def test_what_goes_wrong_has_its_meaning(verb: str, answer: str, meaning: type[DaemonError]) -> None:
    async with mail_server() as inbox:
        inbox.answers[verb] = answer
        with pytest.raises(meaning) as raised:
            await send_mail(replace(plain(inbox.port), user="shop", password="Open Sesame"), MAIL)

    assert inbox.raw == []
    assert "Sesame" not in str(raised.value)


async def test_a_server_that_is_not_there_was_not_reached() -> None:
    async with mail_server() as inbox:
        port = inbox.port
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        await send_mail(plain(port), MAIL)


async def test_a_server_that_says_nothing_is_left_at_the_deadline() -> None:
    async with mail_server() as inbox:
        inbox.answers["MAIL"] = "250-not yet"
        with pytest.raises(Unreachable, match=r"took longer than 0.2 s"):
            await send_mail(plain(inbox.port), MAIL, deadline=0.2)
