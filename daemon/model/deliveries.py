"""What lies at a marketplace for us, and what was received of it whole."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from daemon.errors import Unreadable

_SECOND = timedelta(seconds=1)
#: how long after the top of a turn its listing may come
_LISTING = timedelta(minutes=1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as a server lists it. `name` is one path segment and never becomes a local path.

    A reply of an HTTP service counts as a file of the folder `reply`.
    """

    folder: str
    name: str
    size: int
    modified_at: datetime | None = None

    def may_change_unseen(self, now: datetime) -> bool:
        """Whether it was changed so lately that another change would leave it the same time, told in whole seconds.

        `now` may be a little before the listing. A server whose clock is off by more than that cannot be judged.
        """
        if self.modified_at is None:
            return False
        return now - _SECOND < self.modified_at <= now + _LISTING


@dataclass(frozen=True)  # no slots: Delivery[T](…) sets __orig_class__, which fails badly with both
class Delivery(Generic[T]):
    """Something received whole: where it lies, its exact bytes, and what could be read from it.

    `body` is Unreadable when nothing in it can be trusted; single unreadable things inside it stand in their place.
    """

    file: RemoteFile
    content: bytes
    body: tuple[T | Unreadable, ...] | Unreadable
