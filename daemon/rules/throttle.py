"""How long signing in must wait after it has failed: longer each time, so that guessing leads nowhere."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures are free; after that the wait doubles from a second on, up to `longest`."""

    free: int
    longest: timedelta


#: one name from one address, one address whatever the name, one name whatever the address: a person who mistypes waits
#: little, and whoever guesses cannot lock others out for longer than a minute
PAIR = Limit(5, timedelta(minutes=15))
ADDRESS = Limit(20, timedelta(minutes=15))
NAME = Limit(100, timedelta(minutes=1))


def wait(failures: int, last_at: datetime, limit: Limit, now: datetime) -> timedelta:
    """How long it is until the next try is allowed; zero when it is."""
    over = failures - limit.free
    if over < 0:
        return timedelta()
    pause = limit.longest if over > 20 else min(limit.longest, timedelta(seconds=2**over))
    # A clock that was set back must not lengthen it.
    return min(max(timedelta(), last_at + pause - now), pause)
