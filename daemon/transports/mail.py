"""The one door to e-mail: one message to one mail server, its certificate always checked.

A message that may have left is Unconfirmed, and whoever sends it again gives it the same Message-ID.
"""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime

import aiosmtplib
import anyio

from daemon.errors import AccessDenied, Refused, Unconfirmed, Unreachable
from daemon.transports.calls import counted
from daemon.transports.mailserver import MailServer
from daemon.transports.tls import trusting

#: the sign-in is wrong, or asked for
_DENIED = {454, 530, 534, 535, 538}
_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Mail:
    """One message; `id` is unique for it and the same when it is sent again."""

    id: str
    sender: str
    recipients: Sequence[str]
    subject: str
    text: str
    at: datetime


async def send_mail(server: MailServer, mail: Mail, *, deadline: float = 60) -> None:
    """Hand one message in; `deadline` is in seconds for all of it.

    Raises Unreachable where nothing was delivered, Unconfirmed where it may have been, AccessDenied where the sign-in
    or the certificate is refused, Refused where the server turns the message or one of its recipients down.
    """
    where = f"{server.host}:{server.port}"
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        timeout=server.timeout,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        tls_context=None if server.security == "none" else trusting(server.authority),
    )
    left = False
    try:
        with counted("mail"), anyio.fail_after(deadline):
            with _named(where, may_have_left=False):
                await client.connect()
                if server.user:
                    await client.login(server.user, server.password)
                await client.mail(mail.sender)
                for recipient in mail.recipients:
                    await client.rcpt(recipient)
            left = True
            with _named(where, may_have_left=True):
                await client.data(_bytes(mail))
    except TimeoutError:
        text = f"{where}: the mail server took longer than {deadline:g} s"
        raise Unconfirmed(text) if left else Unreachable(text) from None
    finally:
        await _leave(client)


def _bytes(mail: Mail) -> bytes:
    """The message as it goes over the wire; a line break in a header is an error of the library's, never a header."""
    message = EmailMessage(policy=WIRE)
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.recipients)
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = f"<{mail.id}@{mail.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message.as_bytes()


@contextmanager
def _named(where: str, *, may_have_left: bool) -> Iterator[None]:
    """Name the library's errors; a reply of the server says for certain what became of the message."""
    try:
        yield
    except aiosmtplib.SMTPAuthenticationError as error:
        raise AccessDenied(
            f"{where}: the mail server refused the sign-in: {error.code} {_line(error.message)}"
        ) from None
    except aiosmtplib.SMTPResponseException as error:
        if error.code in _DENIED:
            raise AccessDenied(
                f"{where}: the mail server wants a sign-in: {error.code} {_line(error.message)}"
            ) from None
        raise Refused(f"{where}: the mail server said: {error.code} {_line(error.message)}", str(error.code)) from None
    except (aiosmtplib.SMTPException, smtplib.SMTPException, OSError, ValueError) as error:
        if distrust := _distrust(error):
            raise AccessDenied(f"{where}: the mail server's certificate is not trusted: {distrust}") from None
        if may_have_left:
            raise Unconfirmed(f"{where}: {type(error).__name__} after the message had begun to leave") from None
        raise Unreachable(
            f"{where}: the mail server was not reached: {_line(str(error)) or type(error).__name__}"
        ) from None


def _distrust(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""


def _line(text: str) -> str:
    return " ".join(text.split())[:200]


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye where that is quick; the connection is closed in any case, also where a send was cancelled."""
    with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
        with suppress(aiosmtplib.SMTPException, OSError):
            await client.quit()
    client.close()
