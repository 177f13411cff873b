"""When a promotion is in force, and whether its reduction may be announced (guide L11, consumer rules C1 and C2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.model import OfferTerms, Promotion

#: how far back the lowest price before a reduction is looked for (C1)
HISTORY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Charged:
    """A price that customers were charged from `since` on, until the next one; `reduced` in a promotion."""

    since: datetime
    minor: int
    reduced: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with announcing a reduction, in one sentence (empty: nothing), and whether that forbids it."""

    text: str = ""
    blocks: bool = False

    def beside(self, other: "Verdict") -> "Verdict":
        """Both as one."""
        return Verdict("; ".join(filter(None, (self.text, other.text))), self.blocks or other.blocks)


def in_force(promotions: Iterable[Promotion], at: datetime) -> Promotion | None:
    """The promotion whose window holds this instant: its start belongs to it, its end does not."""
    return next((each for each in promotions if each.starts_at <= at < each.ends_at), None)


def window_fault(starts_at: datetime, ends_at: datetime) -> str:
    """What is wrong with a window, empty when nothing is (C2)."""
    return "" if ends_at > starts_at else "the end is not after the start"


def began(history: Sequence[Charged], starts_at: datetime) -> datetime:
    """When the reduction that is announced at `starts_at` began.

    A reduction that follows on another without the full price in between goes on from the first of them (C1:
    successive reductions). `history` is by time.
    """
    first = starts_at
    for charged in reversed([each for each in history if each.since < starts_at]):
        if not charged.reduced:
            break
        first = charged.since
    return first


def lowest_before(history: Sequence[Charged], start: datetime) -> int | None:
    """The lowest price charged in the 30 days before `start`; of a shorter history the lowest there is (C1).

    None when nothing is known of before. The price that was in force when the 30 days began counts.
    """
    before = [each for each in history if each.since < start]
    old = [each.since for each in before if each.since <= start - HISTORY]
    counted = [each.minor for each in before if not old or each.since >= max(old)]
    return min(counted, default=None)


def verdict(ordinary: int, promoted: int, lowest: int | None, terms: OfferTerms) -> Verdict:
    """Judge the ordinary price struck through beside the promoted one, by the account's policy (C1, C2).

    All three are amounts as they are sent, without the eco-contribution where it is told apart (C8).
    """
    forbidding = terms.reduction_policy == "block"
    if promoted <= 0:
        return Verdict(
            "the promotion's price is no more than the eco-contribution that it includes; raise it", blocks=True
        )
    if promoted >= ordinary:
        return Verdict(
            f"the promotion's price {_amount(promoted)} is not below the price {_amount(ordinary)} that it reduces;"
            " lower it, or take the promotion back",
            forbidding,
        )
    if lowest is None:
        if terms.unknown_history == "allow":
            return Verdict()
        return Verdict(
            f"no price is known that was charged before the reduction, so nothing shows that {_amount(ordinary)} may be"
            " struck through",
            terms.unknown_history == "block",
        )
    if ordinary > lowest:
        return Verdict(
            f"the price {_amount(ordinary)} to be struck through is higher than {_amount(lowest)}, the lowest of the 30"
            " days before the reduction; start later, or lower the price to that first",
            forbidding,
        )
    return Verdict()


def _amount(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
