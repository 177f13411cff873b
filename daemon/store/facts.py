"""What the rows say that is worth an alert or a metric: what waits too long, what failed, what needs a person (D5)."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from daemon.model import AccountName, FeedKind, FeedRule, OfferTerms
from daemon.store.database import Database
from daemon.store.deliveries import STANDS_ASIDE
from daemon.store.holds import GuardRule
from daemon.store.opening import due_condition
from daemon.store.standings import waiting_line
from daemon.store.times import from_us, to_us
from daemon.store.values import named_terms

if TYPE_CHECKING:
    # The store needs no pydantic: whoever only asks it something need not wait for that.
    from daemon.settings import AccountSettings

#: how far back lapsed feeds and rejections are counted
WINDOW = timedelta(days=1)
#: accounts of one read
_ACCOUNTS = 100


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One account. `lapsed`, `accepted` and `rejected` are of the feeds opened within `WINDOW`.

    `pending_since` is since when the listing that waits longest could leave with a feed; `unanswered_since` since when
    the oldest feed that wants an answer has none; `in_doubt` counts order updates.
    """

    lapsed: int = 0
    accepted: int = 0
    rejected: int = 0
    set_aside: int = 0
    in_doubt: int = 0
    in_doubt_since: datetime | None = None
    #: parts that the guard holds back by its rule, and since when
    held: Mapping[GuardRule, tuple[int, datetime]] = field(default_factory=dict)
    #: since when the order line waits for the seller that has waited longest
    waiting_since: datetime | None = None
    unanswered_since: Mapping[FeedKind, datetime] = field(default_factory=dict)
    pending_since: Mapping[FeedKind, datetime] = field(default_factory=dict)


class Facts:
    """Questions over all tables; each is one short read, by an index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, account: AccountName, rules: Iterable[FeedRule], terms: OfferTerms, at: datetime
    ) -> AccountFacts:
        """How one account stands, whose feeds go by these rules and terms."""
        return await self._database.read(lambda db: _facts(db, account, list(rules), terms, at))

    async def of_all(self, accounts: "Iterable[AccountSettings]", at: datetime) -> dict[AccountName, AccountFacts]:
        """How many accounts stand, some in a read, so that none of the reads is long."""
        found: dict[AccountName, AccountFacts] = {}
        waiting = list(accounts)
        for start in range(0, len(waiting), _ACCOUNTS):
            found |= await self._database.read(partial(_facts_of, accounts=waiting[start : start + _ACCOUNTS], at=at))
        return found


def _facts_of(
    db: sqlite3.Connection, accounts: "Sequence[AccountSettings]", at: datetime
) -> dict[AccountName, AccountFacts]:
    return {
        AccountName(each.name): _facts(db, AccountName(each.name), list(each.feed_rules.values()), each.offer_terms, at)
        for each in accounts
    }


def _facts(
    db: sqlite3.Connection, account: AccountName, rules: list[FeedRule], terms: OfferTerms, at: datetime
) -> AccountFacts:
    feeds = db.execute(
        "SELECT coalesce(sum(state = 'lapsed'), 0) AS lapsed, coalesce(sum(accepted), 0) AS accepted,"
        " coalesce(sum(rejected), 0) AS rejected FROM feeds WHERE account = ? AND opened_at >= ?",
        (account, to_us(at - WINDOW)),
    ).fetchone()
    aside = db.execute(
        f"SELECT count(*) FROM deliveries WHERE account = ? AND {STANDS_ASIDE}",  # noqa: S608 - our own words
        (account,),
    ).fetchone()[0]
    doubt = db.execute(
        # The last condition is the partial index's own.
        "SELECT count(*) AS n, min(coalesce(sent_at, created_at)) AS since FROM order_updates WHERE account = ?"
        " AND state = 'in_doubt' AND state IN ('pending', 'sending', 'sent', 'in_doubt')",
        (account,),
    ).fetchone()
    return AccountFacts(
        lapsed=feeds["lapsed"],
        accepted=feeds["accepted"],
        rejected=feeds["rejected"],
        set_aside=aside,
        in_doubt=doubt["n"],
        in_doubt_since=from_us(doubt["since"]),
        held=_held(db, account),
        waiting_since=_waiting_since(db, account),
        unanswered_since=_by_kind(rules, lambda rule: _unanswered_since(db, account, rule)),
        pending_since=_by_kind(rules, lambda rule: _pending_since(db, account, rule, terms)),
    )


def _held(db: sqlite3.Connection, account: AccountName) -> dict[GuardRule, tuple[int, datetime]]:
    rows = db.execute(
        "SELECT c.rule, count(*) AS n, min(h.held_at) AS since FROM guard_cases c"
        " JOIN guard_holds h ON h.guard_case = c.id AND h.state = 'held'"
        " WHERE c.account = ? AND c.closed_at IS NULL GROUP BY c.rule",
        (account,),
    ).fetchall()
    return {GuardRule(row["rule"]): (row["n"], from_us(row["since"])) for row in rows}


def _waiting_since(db: sqlite3.Connection, account: AccountName) -> datetime | None:
    row = db.execute(
        # With a plus, so that SQLite begins with the lines that wait, and not with every order of the account.
        'SELECT min(l.since) AS since FROM order_lines l JOIN orders o ON o.id = l."order"'  # noqa: S608 - our own words
        f" WHERE +o.account = ? AND {waiting_line('l')}",
        (account,),
    ).fetchone()
    since: datetime | None = from_us(row["since"])
    return since


def _by_kind(rules: Iterable[FeedRule], ask: Callable[[FeedRule], datetime | None]) -> dict[FeedKind, datetime]:
    asked = {rule.kind: ask(rule) for rule in rules}
    return {kind: since for kind, since in asked.items() if since is not None}


def _unanswered_since(db: sqlite3.Connection, account: AccountName, rule: FeedRule) -> datetime | None:
    if rule.silence_is_yes is not None:
        return None
    row = db.execute(
        "SELECT min(coalesce(sent_at, opened_at)) AS since FROM feeds WHERE account = ? AND kind = ?"
        " AND state IN ('sending', 'sent', 'in_doubt')",
        (account, rule.kind),
    ).fetchone()
    since: datetime | None = from_us(row["since"])
    return since


def _pending_since(db: sqlite3.Connection, account: AccountName, rule: FeedRule, terms: OfferTerms) -> datetime | None:
    row = db.execute(
        f"SELECT min(changed_at) AS since FROM listings WHERE {due_condition(rule)}",  # noqa: S608 - our own words
        {"account": account, **named_terms(terms)},
    ).fetchone()
    since: datetime | None = from_us(row["since"])
    return since
