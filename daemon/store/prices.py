"""What customers were charged, listing by listing, and the judgement of reductions by it (L11, consumer rules C1, C2).

A price is charged from the moment at which the feed that carried it was sent, once that feed's offer is accepted: the
marketplace takes it over between the sending and its report, and the earlier instant is the one that favours customers.
"""

import sqlite3
from datetime import datetime
from functools import lru_cache

from daemon.model import AccountName, Money, OfferTerms, Promotion
from daemon.rules import sales
from daemon.rules.promotions import HISTORY, Verdict, verdict
from daemon.store.sales import sales_of
from daemon.store.times import from_us, to_us
from daemon.store.values import less_eco

#: verdicts of one turn that are kept by their figures
_REMEMBERED = 1_000
_HISTORY_US = to_us(datetime.fromisoformat("1970-01-01T00:00:00Z") + HISTORY)

#: the same as `rules/promotions.py` says in Python; `tests/store/test_values.py` compares them
_BEGAN = (
    "coalesce((SELECT min(c.since) FROM prices c WHERE c.listing = l.id AND c.since < s.starts_at"
    " AND c.since > coalesce((SELECT max(f.since) FROM prices f WHERE f.listing = l.id AND f.since < s.starts_at"
    " AND f.promotion IS NULL), -1)), s.starts_at)"
)
_LOWEST = (
    "(SELECT min(c.price_minor) FROM prices c WHERE c.listing = b.id AND c.since < b.began"  # noqa: S608 - a number
    " AND c.since >= coalesce((SELECT max(o.since) FROM prices o WHERE o.listing = b.id"
    f" AND o.since <= b.began - {_HISTORY_US}), 0))"
)

#: whether customers are, or may be, charged a promotion's price: a feed without an answer may have been taken over
_REDUCED = (
    "(SELECT c.promotion FROM prices c WHERE c.listing = id ORDER BY c.since DESC LIMIT 1) IS NOT NULL"
    " OR EXISTS (SELECT 1 FROM feed_objects o JOIN feeds f ON f.id = o.feed WHERE o.listing = judged_now.id"
    " AND o.promotion IS NOT NULL AND o.state IN ('sent', 'lapsed') AND coalesce(f.sent_at, f.opened_at) >"
    " coalesce((SELECT max(c.since) FROM prices c WHERE c.listing = judged_now.id), -1))"
)


def _in_sales(db: sqlite3.Connection, account: AccountName) -> dict[int, tuple[Promotion, datetime]]:
    """The promotions in force that name a sale, by number, each with when it was imported; without prices."""
    rows = db.execute(
        "SELECT DISTINCT p.* FROM listings l JOIN promotions p ON p.id = l.promotion"
        " WHERE l.account = ? AND l.price_state = 'pending' AND p.sale <> ''",
        (account,),
    )
    return {
        row["id"]: (
            Promotion(Money(0, ""), from_us(row["starts_at"]), from_us(row["ends_at"]), row["nature"], row["sale"]),
            from_us(row["imported_at"]),
        )
        for row in rows
    }


def charged(db: sqlite3.Connection, feed: int, *, late: bool) -> None:
    """Keep the prices of those of `temp.applied` that were accepted, where they are others than those before.

    `late` says that newer feeds may have been answered: what they carried was left out where it was no other then.
    """
    since = db.execute("SELECT coalesce(sent_at, opened_at) FROM feeds WHERE id = ?", (feed,)).fetchone()[0]
    if not late:
        _date_back(db, feed, since)
    db.execute(
        "INSERT INTO prices (listing, since, price_minor, promotion)"
        " SELECT a.listing, :since, a.price_minor, a.promotion FROM temp.applied a"
        " WHERE a.accepted AND a.price_minor IS NOT NULL AND NOT EXISTS ("
        "  SELECT 1 FROM (SELECT p.price_minor, p.promotion FROM prices p WHERE p.listing = a.listing"
        "   AND p.since <= :since ORDER BY p.since DESC LIMIT 1) last"
        "  WHERE last.price_minor = a.price_minor AND last.promotion IS a.promotion)"
        " ON CONFLICT (listing, since) DO UPDATE SET price_minor = excluded.price_minor,"
        " promotion = excluded.promotion",
        {"since": since},
    )
    if not late:
        return
    db.execute(
        "INSERT INTO prices (listing, since, price_minor, promotion)"
        " SELECT o.listing, coalesce(f.sent_at, f.opened_at), o.price_minor, o.promotion FROM temp.applied a"
        " CROSS JOIN feed_objects o ON o.listing = a.listing AND o.feed = (SELECT min(n.feed) FROM feed_objects n"
        "  CROSS JOIN feeds g ON g.id = n.feed AND g.kind = 'offer'"
        "  WHERE n.listing = a.listing AND n.feed > :feed AND n.state = 'accepted' AND n.price_minor IS NOT NULL)"
        " CROSS JOIN feeds f ON f.id = o.feed"
        " WHERE a.accepted AND (o.price_minor <> a.price_minor OR o.promotion IS NOT a.promotion)"
        " ON CONFLICT (listing, since) DO NOTHING",
        {"feed": feed},
    )


def _date_back(db: sqlite3.Connection, feed: int, since: int) -> None:
    """What a wall clock that was set back since has dated behind this feed was charged before it."""
    named = {"feed": feed, "since": since}
    ahead = db.execute(
        "SELECT 1 FROM feeds b CROSS JOIN feeds f ON f.account = b.account AND f.opened_at > b.opened_at"
        " WHERE b.id = :feed AND f.id < b.id LIMIT 1",
        named,
    ).fetchone()
    if ahead is None:
        return
    these = "FROM prices p WHERE p.listing IN (SELECT listing FROM temp.applied) AND p.since > :since"
    db.execute(
        "INSERT INTO prices (listing, since, price_minor, promotion)"
        " SELECT p.listing, :since - row_number() OVER (PARTITION BY p.listing ORDER BY p.since DESC), p.price_minor,"
        f" p.promotion {these} ON CONFLICT (listing, since) DO NOTHING",
        named,
    )
    db.execute(f"DELETE FROM prices WHERE (listing, since) IN (SELECT p.listing, p.since {these})", named)  # noqa: S608


def judge(db: sqlite3.Connection, account: AccountName, terms: OfferTerms, at: datetime) -> None:
    """Warn of, or put in Error, the Pending prices whose promotion announces a reduction that C1 or C2 forbids.

    One that is put in Error is not sent: stock goes out with the ordinary price, nothing struck through. Where a
    promotion's price is what customers are, or may be, charged now, the stock is made Pending so that this happens.
    """
    known, sold_in_sales = sales_of(db, account), _in_sales(db, account)

    # For its text and for whether it blocks one after the other, and again for the next listing with the same figures.
    @lru_cache(_REMEMBERED)
    def judged(promotion: int, ordinary: int, promoted: int, lowest: int | None, first: int | None) -> Verdict:
        reduced = verdict(ordinary, promoted, lowest, terms)
        named = sold_in_sales.get(promotion)
        if named is None:
            return reduced
        since = None if first is None else from_us(first)
        return reduced.beside(sales.verdict(named[0], known.get(named[0].sale), named[1], since, terms))

    db.create_function("reduction_text", 5, lambda *figures: judged(*figures).text, deterministic=True)
    db.create_function("reduction_blocks", 5, lambda *figures: int(judged(*figures).blocks), deterministic=True)
    named = {"account": account, "at": to_us(at), "less_eco": int(terms.less_eco)}
    figures = "promotion, ordinary, promoted, lowest, first"
    db.execute(
        f"CREATE TEMP TABLE judged AS SELECT id, reduction_text({figures}) AS text,"  # noqa: S608
        f" reduction_blocks({figures}) AS blocks,"
        f" {_REDUCED} AS reduced"
        f" FROM (SELECT b.*, {_LOWEST} AS lowest,"
        " (SELECT min(c.since) FROM prices c WHERE c.listing = b.id) AS first FROM ("
        f"  SELECT l.id, l.promotion, {less_eco('l.price_minor')} AS ordinary, {less_eco('s.price_minor')} AS promoted,"
        f"  {_BEGAN} AS began FROM listings l"
        "   JOIN (SELECT id, price_minor, max(starts_at, imported_at) AS starts_at FROM promotions) s"
        "   ON s.id = l.promotion"
        "  WHERE l.account = :account AND l.price_state = 'pending' AND l.price_minor IS NOT NULL) b) judged_now",
        named,
    )
    try:
        db.execute(
            'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'
            " SELECT :at, :account, 'listing', l.id, 'price', 'pending',"
            " CASE WHEN j.blocks THEN 'error' ELSE 'pending' END, j.text FROM temp.judged j"
            " JOIN listings l ON l.id = j.id WHERE j.blocks OR (j.text <> '' AND l.price_warning <> j.text)",
            named,
        )
        db.execute(
            "UPDATE listings SET price_blocked = j.blocks, price_warning = CASE WHEN j.blocks THEN '' ELSE j.text END,"
            " price_state = CASE WHEN j.blocks THEN 'error' ELSE price_state END,"
            " price_error = CASE WHEN j.blocks THEN j.text ELSE price_error END,"
            " stock_state = CASE WHEN j.blocks AND j.reduced AND stock IS NOT NULL THEN 'pending' ELSE stock_state END,"
            " stock_revision = stock_revision + (j.blocks AND j.reduced AND stock IS NOT NULL)"
            " FROM temp.judged j WHERE listings.id = j.id",
        )
        db.execute(
            "UPDATE listings SET price_blocked = 0, price_warning = '' WHERE account = :account"
            " AND price_state = 'pending' AND promotion IS NULL AND (price_blocked = 1 OR price_warning <> '')",
            named,
        )
    finally:
        db.execute("DROP TABLE temp.judged")
