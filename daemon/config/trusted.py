"""What a person has trusted for an account, and by what it is noticed that its configuration changed (D10)."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from daemon.config.tables import Config
from daemon.hostkeys import pinned
from daemon.settings import AccountSettings, Secret


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
