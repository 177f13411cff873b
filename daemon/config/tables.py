"""The tables of `config.toml` beside the accounts, and the whole as one frozen Config."""

import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SerializeAsAny, field_validator, model_validator

from daemon.alerting import AlertsTable, WebhookTable
from daemon.hostkeys import FILE_NAME
from daemon.model import AccountName
from daemon.settings import AccountSettings, Duration, Table


class DaemonTable(Table):
    """`[daemon]`: where the state is kept, and how long work in flight may go on when it must end (D4)."""

    state_dir: Path = Path("/var/lib/sellerd")
    grace: Duration = timedelta(seconds=30)
    #: a turn of a job that belongs to no account is ended after this
    turn_deadline: Duration = Field(default=timedelta(minutes=30), gt=timedelta())


def split_address(listen: str) -> tuple[str, int]:
    """`127.0.0.1:8470` or `[::1]:8470` as IP address and port; raises ValueError with the fix."""
    host, _, port = listen.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        ip_address(host)
    except ValueError:
        host = ""
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError('write it as address and port, such as "127.0.0.1:8470" or "[::1]:8470"')
    return host, int(port)


def _is_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError('write the IP address alone, such as "127.0.0.1"') from None


def _is_host_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", name):
        raise ValueError('write the name alone, such as "sellerd.example.com", without scheme and port')
    return name.lower()


Address = Annotated[str, AfterValidator(_is_address)]
HostName = Annotated[str, AfterValidator(_is_host_name)]


class ProxyTable(Table):
    """`[web.proxy]`: a reverse proxy in front; what it says counts only where it connects from `addresses`.

    `X-Forwarded-For` and `X-Forwarded-Proto` are read from it. With `user_header` it says who is signed in: a user of
    sellerd by that name has that user's role, anybody else has `role`, and sees customers only where `personal` is.
    """

    addresses: tuple[Address, ...]
    user_header: str = Field(default="", pattern="^([A-Za-z][A-Za-z0-9-]*)?$")
    role: Literal["viewer", "operator", "admin"] = "viewer"
    personal: bool = False

    @field_validator("addresses")
    @classmethod
    def _somebody_is_believed(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        if not addresses:
            raise ValueError("name the IP address that the proxy connects from, or leave the table out")
        return addresses


class WebTable(Table):
    """`[web]`: the one port of pages, REST, health and metrics (D5), who must sign in, and the control socket.

    `socket` is in the state folder where it is left out. `auth = "none"` lets everybody in who reaches the port, so it
    is for loopback alone. `hosts` are the names under which browsers reach the port, beside localhost and plain IP
    addresses. `metrics` are open on loopback and otherwise want a token, unless this says which.
    """

    listen: str = "127.0.0.1:8470"
    socket: Path | None = None
    auth: Literal["password", "none"] = "password"
    hosts: tuple[HostName, ...] = ()
    proxy: ProxyTable | None = None
    metrics: Literal["open", "token"] | None = None
    session_idle: Duration = Field(default=timedelta(hours=12), gt=timedelta())
    session_lifetime: Duration = Field(default=timedelta(days=7), gt=timedelta())
    audit_retention: Duration = Field(default=timedelta(days=1095), ge=timedelta(days=1))

    @field_validator("listen")
    @classmethod
    def _is_listened_at(cls, listen: str) -> str:
        split_address(listen)
        return listen

    @model_validator(mode="after")
    def _nobody_from_outside_comes_in_unasked(self) -> Self:
        if self.auth == "none" and not self.loopback:
            raise ValueError(
                f'auth = "none" would let everybody in who reaches {self.listen}: use auth = "password", or listen on'
                " 127.0.0.1 or [::1] alone"
            )
        if self.auth == "none" and self.proxy is not None:
            raise ValueError('auth = "none" lets in everybody whom the proxy lets through: use auth = "password"')
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return ip_address(split_address(self.listen)[0]).is_loopback

    @property
    def metrics_open(self) -> bool:
        """Whether metrics are given to whoever asks."""
        return self.loopback if self.metrics is None else self.metrics == "open"


class LogTable(Table):
    """`[log]`: how much is told, and how; `auto` writes JSON unless a person watches on a terminal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class BackupTable(Table):
    """`[backup]`: how many copies of the database are kept, and where (empty: `backups` in the state folder).

    How often one is made by itself is `backup` of `[every]`. With `keep = 0` none is, and none is removed. Copies hold
    the personal data of their time: no longer than `keep` times that interval.
    """

    keep: int = Field(default=7, ge=0, le=10_000)
    folder: Path | None = None


class RetentionTable(Table):
    """`[retention]`: how long what only grows is kept: single turns of jobs, events (timelines), what feeds carried.

    Turns that found nothing to do are most of them and have a time of their own (`idle_turns`). The last object of each
    listing and kind of feed stays, and so do feeds with their counts. Bytes and personal data have their own times, by
    account (`payload_retention`, `personal_data_retention`).
    """

    turns: Duration = timedelta(days=30)
    idle_turns: Duration = timedelta(days=1)
    events: Duration = timedelta(days=400)
    feed_objects: Duration = timedelta(days=400)


class Config(Table):
    """The whole configuration. Paths are absolute; inactive accounts are in it and have no jobs."""

    daemon: DaemonTable = DaemonTable()
    web: WebTable = WebTable()
    log: LogTable = LogTable()
    backup: BackupTable = BackupTable()
    retention: RetentionTable = RetentionTable()
    #: how often the jobs that belong to no account come
    every: Mapping[str, Duration] = Field(default_factory=dict)
    alerts: AlertsTable = AlertsTable()
    webhooks: tuple[WebhookTable, ...] = ()
    accounts: Mapping[AccountName, SerializeAsAny[AccountSettings]] = Field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The database file."""
        return self.daemon.state_dir / "sellerd.db"

    @property
    def backups(self) -> Path:
        """The folder of the copies of the database."""
        return self.backup.folder or self.daemon.state_dir / "backups"

    @property
    def known_hosts(self) -> Path:
        """The SSH host keys that a person has trusted."""
        return self.daemon.state_dir / FILE_NAME

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.web.socket or self.daemon.state_dir / "control.sock"

    @property
    def active_accounts(self) -> Mapping[AccountName, AccountSettings]:
        """The accounts that have jobs."""
        return {name: account for name, account in self.accounts.items() if account.active}
