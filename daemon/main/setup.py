"""A configuration with everything that comes of it before anything is connected, or nothing of it (D4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon import logs
from daemon.config import Config, fingerprint, host_keys, load, warnings
from daemon.crontab import intervals
from daemon.errors import ConfigError, DaemonError
from daemon.health import Timetable
from daemon.marketplaces import Marketplace
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import AccountName
from daemon.settings import AccountSettings, secrets_in

Opens = Callable[[AccountSettings, Mapping[str, Sequence[str]]], Marketplace]


def open_way(account: AccountSettings, keys: Mapping[str, Sequence[str]]) -> Marketplace:
    """An account's way into its marketplace, with the host keys that a person has trusted, by place of login."""
    return DIALECTS[account.speaks].open(account, keys)


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration with everything that comes of it before anything is connected."""

    config: Config
    ways: Mapping[AccountName, Marketplace]
    fingerprints: Mapping[AccountName, str]
    warnings: tuple[str, ...]
    every: Timetable

    @classmethod
    def read(cls, path: Path, opens: Opens) -> "Setup":
        """Read and prepare everything, so that a bad configuration changes nothing; raises ConfigError."""
        config = load(path)
        ways, fingerprints, problems = {}, {}, []
        for name, account in config.accounts.items():
            try:
                keys = host_keys(config, account)
                fingerprints[name] = fingerprint(account, keys)
                if account.active:
                    ways[name] = opens(account, keys)
            except OSError as error:
                problems.append(
                    f"{path}: account {name}: {error.filename} cannot be read: {error.strerror};"
                    " the daemon's user must be able to read it"
                )
            except (ValueError, DaemonError) as error:
                problems.append(f"{path}: account {name} cannot be opened: {error}")
        if problems:
            raise ConfigError(problems)
        return cls(config, ways, fingerprints, tuple(warnings(path, config)), intervals(config))

    def again(self, path: Path, opens: Opens) -> "Setup":
        """Read anew what is to run in the place of this; raises ConfigError, too where only a restart could do it."""
        old, new = self.config, Setup.read(path, opens)
        fixed = {
            "daemon.state_dir": (old.daemon.state_dir, new.config.daemon.state_dir),
            "web.listen": (old.web.listen, new.config.web.listen),
            "web.socket": (old.socket, new.config.socket),
        }
        problems = [
            f"{path}: {key} = {wanted} needs a restart (it runs with {running}): systemctl restart sellerd"
            for key, (running, wanted) in fixed.items()
            if running != wanted
        ]
        if problems:
            raise ConfigError(problems)
        return new


def configure_log(config: Config) -> None:
    """Log as the configuration says, and never one of its secrets."""
    secrets = (secret.reveal() for _, secret in secrets_in(config))
    logs.configure(config.log.level, config.log.format, secrets=secrets)
