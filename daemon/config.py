"""config.toml and accounts.d/*.toml → one frozen Config, with every problem found in one go (D3)."""

import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, Field, SerializeAsAny, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from daemon.alerting import AlertsTable, WebhookTable
from daemon.errors import ConfigError
from daemon.hostkeys import FILE_NAME, pinned
from daemon.marketplaces.dialects import DIALECTS, PROFILED, SPEAKS
from daemon.marketplaces.edge.profiles import Profile, resolved, shipped
from daemon.marketplaces.edge.settings import profile_faults
from daemon.model import AccountName
from daemon.rules.catalogue import Catalogue, load_catalogue
from daemon.settings import AccountSettings, Duration, Secret, SftpTable, Table

#: The jobs of an account by what it speaks: what its `every` may name. When each comes by itself is in crontab.py.
JOBS: Mapping[str, tuple[str, ...]] = {wire: dialect.jobs for wire, dialect in DIALECTS.items()}

#: Those of them that never speak to the marketplace: they go on while the account waits for a person (D10).
LOCAL_JOBS = frozenset({"exchange", "housekeeping"})

#: The jobs that belong to no account: what `[every]` may name.
SITE_JOBS: tuple[str, ...] = ("alerts", "webhooks", "ping", "housekeeping", "backup")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SHORTEST_EVERY = timedelta(seconds=1)

#: what pydantic says in the words of Python, in the words of TOML
_FORMS = {
    **dict.fromkeys(("model_type", "dict_type", "mapping_type"), "a table, with keys of its own"),
    **dict.fromkeys(("string_type", "path_type"), 'a text in quotes ("…")'),
}

_T = TypeVar("_T", bound=BaseModel)


class DaemonTable(Table):
    """`[daemon]`: where the state is kept, and how long work in flight may go on when it must end (D4)."""

    state_dir: Path = Path("/var/lib/sellerd")
    grace: Duration = timedelta(seconds=30)
    #: a turn of a job that belongs to no account is ended after this
    turn_deadline: Duration = Field(default=timedelta(minutes=30), gt=timedelta())


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


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found: problems stop the daemon from taking the file over, warnings do not."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def load(path: Path) -> Config:
    """Read `config.toml` and the `accounts.d` beside it; raises ConfigError with every problem of all files."""
    reading = _Reading(path)
    config = reading.config()
    if reading.problems or config is None:
        raise ConfigError(reading.problems)
    return config


def catalogues(path: Path) -> dict[AccountName, Catalogue]:
    """What is known of the errors of each account's marketplace, as far as that can be read.

    For who only asks: no secret is read, and faults are left to `check`.
    """
    return _Reading(path).catalogues()


def examine(path: Path, name: str) -> tuple[AccountSettings | None, list[str]] | None:
    """One account and the problems of its own tables and file; None when the files have no such account (D3)."""
    return _Reading(path).examine(name)


def check(path: Path) -> Checked:
    """Read a configuration for a person who wants to know whether it is right, without running it."""
    try:
        config = load(path)
    except ConfigError as error:
        return Checked(problems=tuple(error.problems))
    return Checked(warnings=tuple(warnings(path, config)))


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


def host_keys(config: Config, account: AccountSettings) -> dict[str, tuple[str, ...]]:
    """The SSH host keys that a person has trusted for an account, by place of login; raises OSError, ValueError."""
    logins = account.sftp_logins.items()
    return {place: pinned(config.known_hosts, login.host, login.port) for place, login in logins}


def fingerprint(account: AccountSettings, keys: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 (hex) over everything that an account is configured with, secrets and trusted host keys included.

    When it changes, an account that waits for a person is tried again (D10).
    """
    content = json.dumps([_plain(account), _plain(keys)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _plain(value: object) -> object:
    match value:
        case BaseModel():
            return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
        case Secret():
            return value.reveal()
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case str() | int() | float() | None:
            return value
        case _:
            return str(value)


def warnings(path: Path, config: Config) -> Iterator[str]:
    """What is allowed and still worth a word; raises OSError, ValueError as `host_keys` does."""
    if not config.web.loopback and config.web.proxy is None:
        yield (
            f"{path}: web.listen = {config.web.listen} takes passwords over plain HTTP; put a reverse proxy with TLS in"
            " front and name it in [web.proxy] (docs/web.md)"
        )
    if not config.accounts:
        yield f"{path}: there is no account; add [accounts.NAME], or accounts.d/NAME.toml beside it"
    for name, account in config.accounts.items():
        if not account.active:
            yield f"{name} is not active: none of its jobs run"
            continue
        if account.payload_retention > account.personal_data_retention:
            yield (
                f"{name}: payload_retention is longer than personal_data_retention, so addresses that are erased from"
                " orders stay in the bytes that were received; make payload_retention no longer than that"
            )
        yield from _missing_folders(name, account)
        trusted = host_keys(config, account)
        for place, login in account.sftp_logins.items():
            if not login.host_keys and not trusted[place]:
                yield (
                    f"{name}: no host key of {place} ({login.host}) is trusted, so no connection will be made; "
                    f"run: sellerd accounts trust {name}"
                )


def _missing_folders(name: AccountName, account: AccountSettings) -> Iterator[str]:
    for folder in (account.exchange.inbox, account.exchange.outbox):
        if folder is not None and not folder.is_dir():
            yield f"{name}: the folder {folder} of exchange is not there; make it, the daemon's user must write in it"


@dataclass(slots=True)
class _Reading:
    """One reading of all files; problems are collected on the way."""

    path: Path
    problems: list[str] = field(default_factory=list)
    #: the retailers of the configuration and those that are shipped; of the former, what is wrong and at which places
    profiles: Mapping[str, Profile] = field(default_factory=shipped)
    told: dict[str, list[str]] = field(default_factory=dict)
    wrong: dict[str, set[tuple[int | str, ...]]] = field(default_factory=dict)

    def config(self) -> Config | None:
        """The configuration, or None where a problem left no way to make one."""
        top = self._toml(self.path)
        if top is None:
            return None
        tables = top.pop("accounts", {})
        self._read_profiles(top.pop("profiles", {}))
        shell = self._valid(Config, top, self.path, "", {"folder": self.path.absolute().parent})
        every = shell.every if shell is not None else top.get("every", {})
        self._check_every(every, SITE_JOBS, "of the site", self.path, "every")
        accounts = self._accounts(tables)
        if shell is not None:
            self._check_webhooks(shell.webhooks, accounts)
        if shell is None or self.problems:
            return None
        return shell.model_copy(update=self._absolute(shell) | {"accounts": accounts})

    def _check_webhooks(self, hooks: Sequence[WebhookTable], accounts: Mapping[AccountName, AccountSettings]) -> None:
        names, known = [hook.name for hook in hooks], [str(name) for name in accounts]
        for place, hook in enumerate(hooks):
            if hook.name in names[:place]:
                self._tell(
                    self.path, f"webhooks[{place}].name = {_shown(hook.name)}: another one has it; choose another"
                )
            for account in hook.accounts:
                if account not in known:
                    wrong = f"webhooks[{place}].accounts: there is no account {_shown(account)}"
                    self._tell(self.path, f"{wrong}{_meant(account, known)}")

    def _absolute(self, shell: Config) -> dict[str, Table]:
        folder = self.path.absolute().parent
        socket, backups = shell.web.socket, shell.backup.folder
        return {
            "daemon": shell.daemon.model_copy(update={"state_dir": folder / shell.daemon.state_dir}),
            "backup": shell.backup.model_copy(update={"folder": folder / backups if backups else None}),
            "web": shell.web.model_copy(update={"socket": folder / socket if socket else None}),
        }

    def catalogues(self) -> dict[AccountName, Catalogue]:
        """See `catalogues`."""
        found = {}
        for name, (file, _, table) in self._account_tables((self._toml(self.path) or {}).get("accounts", {})).items():
            if not isinstance(table, dict):
                continue
            speaks = str(table.get("speaks", SPEAKS.get(str(table.get("marketplace")))))
            errors = DIALECTS[speaks].errors() if speaks in DIALECTS else Catalogue()
            report = table.get("report")
            own = report.get("catalogue") if isinstance(report, dict) else None
            with suppress(ValueError):
                errors = load_catalogue(file.absolute().parent / str(own)).before(errors) if own else errors
            found[AccountName(name)] = errors
        return found

    def examine(self, name: str) -> tuple[AccountSettings | None, list[str]] | None:
        """See `examine`."""
        top = self._toml(self.path) or {}
        self._read_profiles(top.get("profiles", {}))
        found = self._account_tables(top.get("accounts", {})).get(name)
        if found is None:
            # A file that cannot be read may have held it.
            return (None, self.problems) if self.problems else None
        file, place, table = found
        of_profiles = {problem for told in self.told.values() for problem in told}
        own = [problem for problem in self.problems if problem.startswith(f"{file}: ") and problem not in of_profiles]
        used = str(table.get("profile", table.get("marketplace"))) if isinstance(table, dict) else ""
        self.problems = [*self.told.get(used, ()), *own]
        account = self._account(name, table, file, place)
        return (None if self.problems else account), self.problems

    def _read_profiles(self, tables: object) -> None:
        """Take the retailers of the configuration in (J15); what is wrong with one is told once, in its own place."""
        if not isinstance(tables, dict):
            self._tell(self.path, "profiles holds tables; write [profiles.NAME] above the keys of a retailer")
            return
        named: dict[str, Profile] = {}
        for name, table in tables.items():
            if not _NAME.fullmatch(name):
                self._tell_of(name, f"{name!r} cannot be a profile's name: use up to 64 letters, digits, - and _")
            elif not isinstance(table, dict):
                self._tell_of(name, f"profiles.{name} is no table; write [profiles.{name}] above its keys")
            else:
                named[name] = table
        self.profiles = self._resolved(named)
        for name in named:
            faults = profile_faults(self.profiles[name], {"folder": self.path.absolute().parent})
            self.wrong[name] = {fault["loc"] for fault in faults}
            for fault in faults:
                self._tell_of(name, _sentence(DIALECTS[PROFILED].settings, fault, f"profiles.{name}"))

    def _resolved(self, named: Mapping[str, Profile]) -> Mapping[str, Profile]:
        """The profiles, each laid over what it extends; one that extends nothing that is there stands alone."""
        named = dict(named)
        while True:
            try:
                return resolved(named, shipped())
            except ValueError as error:
                wrong, _, problem = str(error).partition(".")
                self._tell_of(wrong, f"profiles.{wrong}.{problem}")
                named[wrong] = {key: value for key, value in named[wrong].items() if key != "extends"}

    def _tell_of(self, profile: str, problem: str) -> None:
        self._tell(self.path, problem)
        self.told.setdefault(profile, []).append(self.problems[-1])

    def _accounts(self, tables: object) -> dict[AccountName, AccountSettings]:
        accounts = {}
        for name, (file, place, table) in sorted(self._account_tables(tables).items()):
            account = self._account(name, table, file, place)
            if account is not None:
                accounts[AccountName(name)] = account
        return accounts

    def _account_tables(self, tables: object) -> dict[str, tuple[Path, str, object]]:
        """Every account's table with its file and its place in there."""
        if not isinstance(tables, dict):
            self._tell(self.path, "accounts holds tables; write [accounts.NAME] above the keys of an account")
            tables = {}
        found: dict[str, tuple[Path, str, object]] = {
            name: (self.path, f"accounts.{name}", table) for name, table in tables.items()
        }
        for file in self._account_files():
            if file.stem in found:
                self._tell(file, f"the account {file.stem} stands in {self.path} as well; keep one of the two")
            elif (content := self._toml(file)) is not None:
                found[file.stem] = (file, "", content)
        return found

    def _account_files(self) -> list[Path]:
        folder = self.path.parent / "accounts.d"
        try:
            return sorted(file for file in folder.iterdir() if file.suffix == ".toml")
        except FileNotFoundError:
            return []
        except OSError as error:
            self._tell(folder, f"cannot be read: {error.strerror}; give the daemon's user the right to")
            return []

    def _account(self, name: str, table: object, file: Path, place: str) -> AccountSettings | None:
        if not isinstance(table, dict):
            self._tell(file, f"{place} is no table; write [{place}] above its keys")
            return None
        if not _NAME.fullmatch(name):
            self._tell(file, f"{name!r} cannot be an account's name: use up to 64 letters, digits, - and _")
        if "name" in table and table["name"] != name:
            self._tell(file, f"{_join(place, 'name')} is {_shown(table['name'])}, but the account is {name}; remove it")
        speaks = self._speaks(table, file, place)
        if speaks is None:
            return None
        content = {**table, "name": name, "speaks": speaks}
        context = {"folder": file.absolute().parent, "profiles": self.profiles}
        told = self.wrong.get(str(table.get("profile", table.get("marketplace"))), set())
        account = self._valid(DIALECTS[speaks].settings, content, file, place, context, told)
        every = account.every if account is not None else table.get("every", {})
        self._check_every(every, JOBS[speaks], "of this account", file, _join(place, "every"))
        for where, login in account.sftp_logins.items() if account is not None else ():
            self._check_keys(login, file, _join(place, where))
        return account

    def _speaks(self, table: dict[str, object], file: Path, place: str) -> str | None:
        marketplace, speaks = table.get("marketplace"), table.get("speaks")
        if not isinstance(marketplace, str):
            wanted = " or ".join(f'"{name}"' for name in SPEAKS)
            self._tell(file, f"{_join(place, 'marketplace')} is missing; add it: marketplace = {wanted}")
            return None
        if speaks is None and marketplace not in SPEAKS and (marketplace in self.profiles or "profile" in table):
            return PROFILED
        if speaks is None and marketplace not in SPEAKS:
            self._tell(
                file,
                f"{_join(place, 'marketplace')} = {_shown(marketplace)} is not one that is known by name"
                f"{_meant(marketplace, SPEAKS)}; for another one say what it speaks: speaks = "
                f"{' or '.join(_shown(name) for name in DIALECTS)}",
            )
            return None
        spoken = SPEAKS[marketplace] if speaks is None else speaks
        if not isinstance(spoken, str) or spoken not in DIALECTS:
            self._tell(
                file, f"{_join(place, 'speaks')} = {_shown(spoken)} is not spoken here{_meant(spoken, DIALECTS)}"
            )
            return None
        return spoken

    def _check_every(self, every: object, jobs: Sequence[str], whose: str, file: Path, place: str) -> None:
        if not isinstance(every, Mapping):
            return
        for job, interval in every.items():
            if job not in jobs:
                self._tell(file, f"{_join(place, job)} names no job {whose}{_meant(job, jobs)}")
            elif isinstance(interval, timedelta) and interval < _SHORTEST_EVERY:
                self._tell(file, f"{_join(place, job)} is shorter than a second; write 1s or more")

    def _check_keys(self, login: SftpTable, file: Path, place: str) -> None:
        if not login.host_keys and login.private_key is None:
            return
        # Here and not above: whoever has no key in the configuration need not wait for asyncssh.
        from daemon.transports.sftp_keys import parse_private_key, parse_public_key

        for number, key in enumerate(login.host_keys):
            try:
                parse_public_key(key)
            except ValueError as error:
                self._tell(file, f"{_join(place, 'host_keys', number)} = {_shown(key)}: {error}")
        if login.private_key is not None:
            passphrase = login.passphrase.reveal() if login.passphrase is not None else ""
            try:
                parse_private_key(login.private_key.reveal(), passphrase)
            except ValueError as error:
                self._tell(file, f"{_join(place, 'private_key')}: {error}")

    def _valid(
        self,
        table: type[_T],
        content: dict[str, Any],
        file: Path,
        place: str,
        context: dict[str, Any],
        told: Collection[tuple[int | str, ...]] = (),
    ) -> _T | None:
        """The table, or None; its problems are told, but for those at places of which `told` has told already."""
        try:
            return table.model_validate(content, context=context)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                if problem["loc"] not in told:
                    self._tell(file, _sentence(table, problem, place))
            return None

    def _toml(self, file: Path) -> dict[str, Any] | None:
        try:
            return tomllib.loads(file.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            self._tell(file, f"is not TOML: {error}; texts stand in quotes, and each key stands once")
        except UnicodeDecodeError as error:
            self._tell(file, f"is not UTF-8 text (byte {error.start}); save it as UTF-8")
        except OSError as error:
            self._tell(file, f"cannot be read: {error.strerror}; check the path and that the daemon's user may read it")
        except (ValueError, RecursionError) as error:
            # tomllib leaves these to Python: a number of thousands of digits, brackets a thousand deep.
            self._tell(file, f"is not TOML that can be read: {error}")
        return None

    def _tell(self, file: Path, problem: str) -> None:
        self.problems.append(f"{file}: {problem}")


def _sentence(table: type[BaseModel], problem: ErrorDetails, place: str) -> str:
    """One problem as one sentence: where, what stands there (never a secret), what is wanted."""
    key = _join(place, *problem["loc"])
    if problem["type"] == "missing":
        return f"{key} is missing; add it"
    if problem["type"] == "extra_forbidden":
        # What stands there is not shown: a misspelt password is one too.
        known = [name for near in _tables(_followed(table, problem["loc"][:-1])) for name in near.model_fields]
        return f"{key} is not a key that is known here{_meant(problem['loc'][-1], known)}"
    form = f"a text of the form {problem['ctx']['pattern']}" if problem["type"] == "string_pattern_mismatch" else ""
    message = (
        form
        or _FORMS.get(problem["type"])
        or problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    )
    wanted = message if problem["type"] == "value_error" else f"should be {_lower(message)}"
    value = problem["input"]
    expected = problem.get("ctx", {}).get("expected", "")
    meant = _meant(value, re.findall(r"'([^']*)'", expected)) if expected and isinstance(value, str) else ""
    if isinstance(value, str | int | float) and not _holds_secret(_followed(table, problem["loc"])):
        return f"{key} = {_shown(value)}: {wanted}{meant}"
    return f"{key}: {wanted}" if key else wanted


def _followed(annotation: object, loc: Sequence[int | str]) -> object:
    """The type of what stands at a place of a table; positions and keys of mappings are stepped over."""
    for part in loc:
        for table in _tables(annotation):
            if part in table.model_fields:
                annotation = table.model_fields[str(part)].annotation
                break
    return annotation


def _tables(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in get_args(annotation) for table in _tables(inner)]


def _holds_secret(annotation: object) -> bool:
    if annotation is Secret:
        return True
    inner = [column.annotation for table in _tables(annotation) for column in table.model_fields.values()]
    return any(_holds_secret(part) for part in (*get_args(annotation), *inner))


def _meant(word: object, known: Sequence[str] | Mapping[str, object]) -> str:
    near = get_close_matches(str(word), known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(known)}" if known else ""


def _join(*parts: int | str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts if part != "")
    return path.removeprefix(".")


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
