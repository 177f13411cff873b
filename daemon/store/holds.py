"""What the change guard holds back: parts of listings, each at one revision, in a case for each rule they break."""

import sqlite3
from collections.abc import Mapping
from enum import StrEnum

from daemon.model import Part

#: the parts that can be held back
GUARDED = (Part.STOCK, Part.PRICE, Part.END)


class GuardRule(StrEnum):
    """What made a change suspicious."""

    PRICE_FALL = "price_fall"
    PRICE_RISE = "price_rise"
    PROMOTION_FALL = "promotion_fall"
    MASS_ZERO = "mass_zero"
    MASS_END = "mass_end"


#: what is not sold any more: held too long it is sold though it is not there, so these holds expire
VANISHING = (GuardRule.MASS_ZERO, GuardRule.MASS_END)

#: the condition that a hold stands; its second half are the words of an index, without which SQLite does not see that
HELD = "state = 'held' AND state IN ('held', 'rejected')"


def held(row: sqlite3.Row) -> tuple[Part, ...]:
    """The parts of a row of `listings` that are held back as they are now."""
    return tuple(part for part in GUARDED if row[f"{part}_hold"] == row[f"{part}_revision"])


def end_holds(
    db: sqlite3.Connection, which: str, named: Mapping[str, object], *, state: str, became: str, why: str, by: str = ""
) -> int:
    """End the holds of this condition, and tell of each what its part is now; returns how many.

    `named` are what the condition names, and `at`; `by` is the person who decided.
    """
    said = f"{state} by {by}: {why}" if by else why
    given = {**named, "ended": state, "became": became, "why": why, "by": by, "said": said}
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'  # noqa: S608 - our own words
        " SELECT :at, account, 'listing', listing, part, 'held', :became, :said FROM guard_holds"
        f" WHERE {which} ORDER BY id",
        given,
    )
    return db.execute(
        "UPDATE guard_holds SET state = :ended, decided_at = :at, decided_by = :by, decided_why = :why"  # noqa: S608
        f" WHERE {which}",
        given,
    ).rowcount


def close_cases(db: sqlite3.Connection, named: Mapping[str, object]) -> None:
    """Close the cases of an account that hold nothing any more."""
    db.execute(
        "UPDATE guard_cases SET closed_at = :at WHERE account = :account AND closed_at IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM guard_holds h WHERE h.guard_case = guard_cases.id AND h.state = 'held')",
        named,
    )
