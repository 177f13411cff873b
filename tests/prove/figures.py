"""What a method measured: counts, what must have been hit, and the runs that broke a promise."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figures:
    """The counts of one method; `hit` counts what a run must really have met, `broken` is a sentence for each breach."""

    counts: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        """Take the figures of one more run in."""
        self.counts += other.counts
        self.hit += other.hit
        self.broken += other.broken

    def missed(self, wanted: frozenset[str]) -> list[str]:
        """What a run should have met at least once and never did."""
        return sorted(name for name in wanted if not self.hit[name])
