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
        └── Unforeseen    working on it showed a fault of sellerd's own
"""

import traceback
from collections.abc import Iterator
from pathlib import Path


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


class Unforeseen(Unreadable):
    """Working on one thing that came in raised what nobody foresaw: a fault of sellerd, told by its kind and its place.

    The words of what was raised are not in the text: they may quote a customer. It is the cause, and `surprise`.
    """

    def __init__(self, surprise: Exception) -> None:
        leaf = next(leaves(surprise))
        super().__init__(f"a fault of sellerd's own, please report it: {type(leaf).__name__} in {_place(leaf)}")
        self.surprise = self.__cause__ = surprise


def unforeseen(error: Exception) -> Unforeseen:
    """What to say of the one thing whose work raised this; raises it again where that thing cannot be why.

    What is raised on purpose, and what the disk, the network or a lack of memory raises, is never the doing of a file.
    """
    if any(isinstance(leaf, DaemonError | OSError | MemoryError) for leaf in leaves(error)):
        raise error
    return Unforeseen(error)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, however deep, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def _place(error: BaseException) -> str:
    """The innermost line of our own that it passed through."""
    ours = Path(__file__).parent
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(ours)]
    if not frames:
        return "a place that is not known"
    return f"{Path(frames[-1].filename).relative_to(ours.parent)}, line {frames[-1].lineno}"
