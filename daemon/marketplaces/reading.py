"""Reading one thing that came in: what nobody foresaw is said of that one thing, and the next is read (D9)."""

from collections.abc import Callable
from typing import TypeVar

from daemon.errors import Unreadable, unforeseen

T = TypeVar("T")


def read_or_say_why(read: Callable[[], T]) -> T | Unreadable:
    """What a reader gives, or why it cannot be read: a reader is pure, so whatever it raises is about what it reads."""
    try:
        return read()
    except Unreadable as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide what stands behind it
        return unforeseen(error)
