"""`[alerts]` of the configuration: to whom the site's alerts are told, how often, and from when on it is worth one."""

from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from daemon.rules.signing import key_of
from daemon.rules.webhooks import TYPES
from daemon.settings import Duration, Host, Secret, Table, is_loopback
from daemon.transports.addresses import address_fault
from daemon.transports.mailserver import MailServer, Security
from daemon.transports.tls import trusting

Way = Literal["mail", "webhook"]
WAYS: tuple[Way, ...] = ("mail", "webhook")


_SHORTEST_KEY = 16


def _is_event(name: str) -> str:
    if name not in TYPES:
        near = get_close_matches(name, TYPES, n=1)
        raise ValueError(f"did you mean {near[0]}?" if near else f"there are {', '.join(TYPES)}")
    return name


EventType = Annotated[str, AfterValidator(_is_event)]


def _an_address(address: str) -> str:
    name, _, domain = address.rpartition("@")
    if not name or "." not in domain or any(sign in address for sign in " <>,;\r\n"):
        raise ValueError('write one address alone, such as "ops@seller.example"')
    return address


def _certificates(path: Path, info: ValidationInfo) -> Path:
    where: Path = (info.context or {}).get("folder", Path()) / path
    try:
        trusting(where)
    except OSError as error:
        raise ValueError(f"cannot read {where}: {error.strerror}") from None
    return where


#: a file of certificates in PEM form, relative to the configuration
Authority = Annotated[Path, AfterValidator(_certificates)]


class MailTable(Table):
    """`[alerts.mail]`: alerts by e-mail, through one mail server.

    `security` is `starttls`, `tls` (from the first byte) or, on this machine alone, `none`. `authority` is a PEM file
    of the certificates to trust instead of the system's.
    """

    host: Host
    port: int = Field(default=587, ge=1, le=65535)
    security: Security = "starttls"
    user: str = ""
    password: Secret | None = None
    sender: str
    recipients: tuple[str, ...] = Field(min_length=1)
    authority: Authority | None = None

    @field_validator("sender")
    @classmethod
    def _is_an_address(cls, sender: str) -> str:
        return _an_address(sender)

    @field_validator("recipients")
    @classmethod
    def _are_addresses(cls, recipients: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_an_address, recipients))

    @model_validator(mode="after")
    def _protected(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError('security = "none" is for a mail server on this machine alone; use "starttls" or "tls"')
        if bool(self.user) != (self.password is not None):
            raise ValueError("a sign-in needs both user and password")
        return self

    @property
    def server(self) -> MailServer:
        """The mail server as it is spoken to."""
        password = self.password.reveal() if self.password else ""
        return MailServer(self.host, self.port, self.security, self.user, password, self.authority)


def _as_it_stands(value: object) -> object:
    return Secret(value) if isinstance(value, str) else value


#: an address may hold a token, so it is shown nowhere; unlike a secret it may be written as it stands
HiddenUrl = Annotated[Secret, BeforeValidator(_as_it_stands)]


class _Address(Table):
    url: HiddenUrl
    #: it may be in our own network, and http:// there
    allow_private: bool = False
    authority: Authority | None = None

    @model_validator(mode="after")
    def _may_be_asked(self) -> Self:
        if fault := address_fault(self.url.reveal(), private=self.allow_private):
            raise ValueError(f"url {fault}")
        return self


def _is_a_key(secret: Secret | None) -> Secret | None:
    if secret is not None:
        key_of(secret.reveal())
    return secret


class HookTable(_Address):
    """`[alerts.webhook]`: alerts as JSON to an address of yours; with `secret`, signed (docs/alerts.md).

    `url` may be written as it stands as well, and is shown nowhere. `allow_private` lets the address be in our own
    network, and http:// there; `authority` is a PEM file of the certificates to trust instead of the system's.
    """

    secret: Annotated[Secret | None, AfterValidator(_is_a_key)] = None


class PingTable(_Address):
    """`[alerts.ping]`: an address that is asked as often as `[every]` says while the daemon is well, and only then.

    Whoever is pinged raises the alarm when that stops. `allow_private` and `authority` are those of the webhook.
    """


class WebhookTable(_Address):
    """`[[webhooks]]`: somebody who is told what happens, by signed messages (docs/rest-and-webhooks.md).

    `events` and `accounts` say what is told; without them it is everything. The key of the signature is `secret`,
    as Standard Webhooks has it. `url`, `allow_private` and `authority` are those of `[alerts.webhook]`.
    """

    name: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    secret: Secret
    events: tuple[EventType, ...] = ()
    accounts: tuple[str, ...] = ()
    active: bool = True

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, secret: Secret) -> Secret:
        if len(key_of(secret.reveal())) < _SHORTEST_KEY:
            raise ValueError(f"shorter than {_SHORTEST_KEY} bytes; make one with: openssl rand -base64 32")
        return secret


class AlertsTable(Table):
    """`[alerts]`: what is told beside the log and the pages, and when the site itself is worth an alert.

    What changes within `gather` is told at once, and there are `apart` between two notices. A cause that stays is told
    again after `repeat`; one that was away for `calm` is resolved. A notice that cannot be delivered is given up after
    `give_up`. The disk is nearly full below `disk_free_percent` or `disk_free_mib`; `"0s"` and `0` switch a cause off.
    """

    gather: Duration = timedelta(minutes=1)
    apart: Duration = timedelta(minutes=5)
    repeat: Duration = timedelta(days=1)
    calm: Duration = timedelta(minutes=5)
    give_up: Duration = timedelta(days=2)
    disk_free_percent: int = Field(default=10, ge=0, le=100)
    disk_free_mib: int = Field(default=1024, ge=0)
    log_mib: int = Field(default=512, ge=0)
    unsynchronised: Duration = timedelta(minutes=30)
    site_silence: Duration = timedelta(hours=2)
    mail: MailTable | None = None
    webhook: HookTable | None = None
    ping: PingTable | None = None

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways out that are configured."""
        return tuple(way for way in WAYS if getattr(self, way) is not None)
