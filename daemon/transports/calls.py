"""How the calls to the outside end, counted since the process started: for metrics, and for nothing else.

One count for the process, because what is counted has no owner: a client lives as long as its account's configuration.
"""

from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Literal

from daemon.errors import AccessDenied, Refused, Unconfirmed, Unreachable, Unreadable

Protocol = Literal["http", "sftp", "mail"]

_OUTCOMES: Mapping[type[BaseException], str] = {
    Unreachable: "unreachable",
    Unconfirmed: "unconfirmed",
    AccessDenied: "denied",
    Refused: "refused",
    Unreadable: "unreadable",
}
#: every outcome that there is; `cut` is a call that was cancelled or failed for a reason of our own
OUTCOMES = ("ok", *_OUTCOMES.values(), "cut")

_calls: Counter[tuple[str, str]] = Counter()


class counted:  # noqa: N801 - reads as a word where it is used
    """Count the call that the block makes, by how it ends; whatever is raised goes on as it is."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outcome = (
            "ok" if kind is None else next((name for of, name in _OUTCOMES.items() if issubclass(kind, of)), "cut")
        )
        _calls[self._protocol, outcome] += 1


def calls() -> dict[tuple[str, str], int]:
    """(protocol, outcome) → calls since the process started; every pair, so that a rate can be taken of the first."""
    return {
        (protocol, outcome): _calls[protocol, outcome] for protocol in ("http", "sftp", "mail") for outcome in OUTCOMES
    }
