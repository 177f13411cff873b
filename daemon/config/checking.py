"""A configuration read for a person who wants to know whether it is right: its problems, and what is worth a word."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.config.reading import load
from daemon.config.tables import Config
from daemon.config.trusted import host_keys
from daemon.errors import ConfigError
from daemon.model import AccountName
from daemon.settings import AccountSettings


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found: problems stop the daemon from taking the file over, warnings do not."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check(path: Path) -> Checked:
    """Read a configuration for a person who wants to know whether it is right, without running it."""
    try:
        config = load(path)
    except ConfigError as error:
        return Checked(problems=tuple(error.problems))
    return Checked(warnings=tuple(warnings(path, config)))


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
