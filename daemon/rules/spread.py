"""How values spread: counted into buckets of fixed bounds, as a histogram wants them."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

#: seconds that a turn takes: most are over at once, some send for half an hour
TURN_SECONDS: tuple[float, ...] = (0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0)


@dataclass(slots=True)
class Spread:
    """Values by bucket; what is above the last bound has a bucket of its own. Nothing is ever taken out again."""

    bounds: Sequence[float] = TURN_SECONDS
    total: float = 0.0
    _counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count one value; a bound belongs to the bucket below it."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """How many values are at most each bound, the last bound being infinite."""
        seen = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self._counts, strict=True):
            seen += count
            yield bound, float(seen)
