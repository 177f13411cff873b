"""Every error that the daemon raises on purpose, drawn as one tree.

DaemonError
├── ConfigError           config.toml is wrong; nothing was changed
├── StoreError            the database cannot be used as it is
│   └── StoreInUse        another process has it
├── NotAllowed            the seller asked for a move that is not legal now
├── TransportError        the bytes did not make the trip
│   ├── Unreachable       nothing was delivered: the send may be forgotten and the gate given back
│   ├── Unconfirmed       it may have been delivered: never assume either way
│   └── AccessDenied      a login, key, token or host key was refused: a person is needed
└── MarketplaceError      the marketplace answered, and the answer is no
    ├── Refused           understood and turned down
    └── Unreadable        not in the documented form
"""


class DaemonError(Exception):
    """Anything that sellerd raises on purpose; its text is written for the person who must mend it."""


class ConfigError(DaemonError):
    """The configuration is wrong; nothing was changed. `problems` holds one sentence each, all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StoreError(DaemonError):
    """The database cannot be used: of a newer schema, damaged, full, or in use by another process."""


class StoreInUse(StoreError):
    """Another process has the database."""


class NotAllowed(DaemonError):
    """The seller asked for a move that is not legal now; the text says why and what would be possible."""


class TransportError(DaemonError):
    """The bytes did not make the trip."""


class Unreachable(TransportError):
    """Nothing was delivered: the send may be forgotten and the gate given back."""


class Unconfirmed(TransportError):
    """It may have been delivered: never assume either way."""


class AccessDenied(TransportError):
    """A login, key, token or host key was refused: a person is needed."""


class MarketplaceError(DaemonError):
    """The marketplace answered, and the answer is no."""


class Refused(MarketplaceError):
    """Understood and turned down; `code` is the marketplace's own, empty where it gave none."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Unreadable(MarketplaceError):
    """Not in the documented form; the text names line, field and what was expected.

    `feed_name` is the feed that it speaks of all the same, where that is known: its silence says nothing then.
    """

    def __init__(self, text: str, feed_name: str = "") -> None:
        super().__init__(text)
        self.feed_name = feed_name
