"""config.toml and accounts.d/*.toml → one Config, with every problem of all files found in one go (D3)."""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from daemon.alerting import WebhookTable
from daemon.config.job_names import JOBS, SITE_JOBS
from daemon.config.sentences import hint, key_at, sentence, shown
from daemon.config.tables import Config
from daemon.errors import ConfigError
from daemon.marketplaces.dialects import DIALECTS, PROFILED, SPEAKS
from daemon.marketplaces.edge.profiles import Profile, resolved, shipped
from daemon.marketplaces.edge.settings import profile_faults
from daemon.model import AccountName
from daemon.rules.catalogue import Catalogue, load_catalogue
from daemon.settings import AccountSettings, SftpTable, Table

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SHORTEST_EVERY = timedelta(seconds=1)

_T = TypeVar("_T", bound=BaseModel)


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
                    self.path, f"webhooks[{place}].name = {shown(hook.name)}: another one has it; choose another"
                )
            for account in hook.accounts:
                if account not in known:
                    wrong = f"webhooks[{place}].accounts: there is no account {shown(account)}"
                    self._tell(self.path, f"{wrong}{hint(account, known)}")

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
                self._tell_of(name, sentence(DIALECTS[PROFILED].settings, fault, f"profiles.{name}"))

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
            self._tell(file, f"{key_at(place, 'name')} is {shown(table['name'])}, but the account is {name}; remove it")
        speaks = self._speaks(table, file, place)
        if speaks is None:
            return None
        content = {**table, "name": name, "speaks": speaks}
        context = {"folder": file.absolute().parent, "profiles": self.profiles}
        told = self.wrong.get(str(table.get("profile", table.get("marketplace"))), set())
        account = self._valid(DIALECTS[speaks].settings, content, file, place, context, told)
        every = account.every if account is not None else table.get("every", {})
        self._check_every(every, JOBS[speaks], "of this account", file, key_at(place, "every"))
        for where, login in account.sftp_logins.items() if account is not None else ():
            self._check_keys(login, file, key_at(place, where))
        return account

    def _speaks(self, table: dict[str, object], file: Path, place: str) -> str | None:
        marketplace, speaks = table.get("marketplace"), table.get("speaks")
        if not isinstance(marketplace, str):
            wanted = " or ".join(f'"{name}"' for name in SPEAKS)
            self._tell(file, f"{key_at(place, 'marketplace')} is missing; add it: marketplace = {wanted}")
            return None
        if speaks is None and marketplace not in SPEAKS and (marketplace in self.profiles or "profile" in table):
            return PROFILED
        if speaks is None and marketplace not in SPEAKS:
            self._tell(
                file,
                f"{key_at(place, 'marketplace')} = {shown(marketplace)} is not one that is known by name"
                f"{hint(marketplace, SPEAKS)}; for another one say what it speaks: speaks = "
                f"{' or '.join(shown(name) for name in DIALECTS)}",
            )
            return None
        spoken = SPEAKS[marketplace] if speaks is None else speaks
        if not isinstance(spoken, str) or spoken not in DIALECTS:
            self._tell(file, f"{key_at(place, 'speaks')} = {shown(spoken)} is not spoken here{hint(spoken, DIALECTS)}")
            return None
        return spoken

    def _check_every(self, every: object, jobs: Sequence[str], whose: str, file: Path, place: str) -> None:
        if not isinstance(every, Mapping):
            return
        for job, interval in every.items():
            if job not in jobs:
                self._tell(file, f"{key_at(place, job)} names no job {whose}{hint(job, jobs)}")
            elif isinstance(interval, timedelta) and interval < _SHORTEST_EVERY:
                self._tell(file, f"{key_at(place, job)} is shorter than a second; write 1s or more")

    def _check_keys(self, login: SftpTable, file: Path, place: str) -> None:
        if not login.host_keys and login.private_key is None:
            return
        # Here and not above: whoever has no key in the configuration need not wait for asyncssh.
        from daemon.transports.sftp_keys import parse_private_key, parse_public_key

        for number, key in enumerate(login.host_keys):
            try:
                parse_public_key(key)
            except ValueError as error:
                self._tell(file, f"{key_at(place, 'host_keys', number)} = {shown(key)}: {error}")
        if login.private_key is not None:
            passphrase = login.passphrase.reveal() if login.passphrase is not None else ""
            try:
                parse_private_key(login.private_key.reveal(), passphrase)
            except ValueError as error:
                self._tell(file, f"{key_at(place, 'private_key')}: {error}")

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
                    self._tell(file, sentence(table, problem, place))
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
