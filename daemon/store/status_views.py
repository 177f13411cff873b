"""How every account stands, as plain values: jobs and pauses, listings by part and state, order lines, gates (L8)."""

import sqlite3
from collections.abc import Iterable
from datetime import timedelta

from daemon.model import SITE, Moment, Part, Severity, Timeliness
from daemon.rules.gate import wait
from daemon.store import claim_views, order_views
from daemon.store.deliveries import STANDS_ASIDE
from daemon.store.gates import read_gate
from daemon.store.generation import restored_at
from daemon.store.pauses import Pause, pauses_of
from daemon.store.plain import View, instants, some
from daemon.store.times import iso, to_us

_OFFER_PARTS = (Part.STOCK, Part.PRICE, Part.END)
_STATES = ("not_needed", "pending", "sent", "error")


def _any(parts: Iterable[Part], state: str) -> str:
    """In the partial indexes' own words, so that SQLite uses them."""
    return " OR ".join(f"{part}_state = '{state}'" for part in parts)


def _counted(parts: Iterable[Part], state: str, rows: str, condition: str = "") -> tuple[str, str]:
    """A question for the listings of `rows` of which parts are in a state, by account; and that state."""
    sums = ", ".join(f"sum(l.{part}_state = '{state}'{condition.format(part=part)}) AS {part}" for part in parts)
    return state, f"SELECT l.account, {sums} FROM {rows} GROUP BY l.account"  # noqa: S608 - our own words


#: what waits, what is wrong and what is under way, each found by an index that holds little else; a part is Sent as
#: long as a feed that wants an answer carries its revision (house law 4)
_UNSETTLED = (
    _counted([Part.ITEM], "pending", f"listings l WHERE {_any([Part.ITEM], 'pending')}"),
    _counted(_OFFER_PARTS, "pending", f"listings l WHERE {_any(_OFFER_PARTS, 'pending')}"),
    _counted(Part, "error", f"listings l WHERE {_any(Part, 'error')}"),
    _counted(
        Part,
        "sent",
        "feed_objects o JOIN listings l ON l.id = o.listing WHERE o.state = 'sent'"
        " AND o.feed IN (SELECT id FROM feeds WHERE state IN ('sending', 'sent', 'in_doubt'))",
        " AND o.{part}_revision = l.{part}_revision",
    ),
)


def status(db: sqlite3.Connection, now: Moment) -> View:
    """The site and every account: held, jobs, pauses, listings, order lines, gates, and what waits for a person."""
    all_gates = gates(db, now)
    aside = _counts(db, f"SELECT account, count(*) AS n FROM deliveries WHERE {STANDS_ASIDE} GROUP BY account")  # noqa: S608
    waiting = order_views.waiting(db, now.at)
    attention = claim_views.attention(db)
    wrong = order_views.order_errors(db)
    pauses = pauses_of(db, now.at)
    parts = _parts(db)
    accounts = []
    for row in db.execute("SELECT * FROM accounts ORDER BY name").fetchall():
        name = row["name"]
        accounts.append(
            {
                **some(row, "name", "marketplace", "held_reason"),
                **instants(row, "held_at"),
                "held": row["held_at"] is not None,
                "jobs": _jobs(db, name),
                "pauses": [_paused(pause) for pause in pauses.get(name, ())],
                "listings": parts.get(name) or _no_parts(),
                "order_lines": _lines_by_state(db, name),
                "orders_waiting": {each.value: waiting.get((name, each), 0) for each in Timeliness},
                "gates": [gate for gate in all_gates if gate["account"] == name],
                "set_aside": aside.get(name, 0),
                "updates_in_doubt": attention[name, "updates_in_doubt"],
                "updates_failed": attention[name, "updates_failed"],
                "claims": {state.value: attention[name, f"claims_{state}"] for state in claim_views.NEEDS_A_PERSON},
                "order_errors": {each.value: wrong[name, each.value] for each in Severity},
            }
        )
    return {
        "now": iso(to_us(now.at)),
        "site": {"jobs": _jobs(db, SITE), "restored_at": _restored(db)},
        "accounts": accounts,
    }


def gates(db: sqlite3.Connection, now: Moment) -> list[View]:
    """Every gate that was ever closed, with why it is closed and until when."""
    rows = db.execute(
        "SELECT g.*, f.state AS feed_state FROM gates g LEFT JOIN feeds f ON f.id = g.feed ORDER BY g.account, g.kind"
    ).fetchall()
    return [_gate(row, now) for row in rows]


def _gate(row: sqlite3.Row, now: Moment) -> View:
    left = wait(read_gate(row), now)
    closed = left is None or left > timedelta()
    why = ""
    if left is None:
        why = "the machine was started anew and its clock is not confirmed, so the time starts again with the next turn"
        if not row["boot_id"]:
            why = "the database was restored from an older one, so the time starts again with the next turn"
    elif closed:
        why = f"feed {row['feed']} is {row['feed_state']}; the next one keeps its distance" if row["feed"] else ""
    until = iso(to_us(now.at + left)) if left is not None and closed else None
    return {**some(row, "account", "kind", "feed"), "open": not closed, "until": until, "why": why}


def _parts(db: sqlite3.Connection) -> dict[str, dict[str, dict[str, int]]]:
    """How many listings stand how, by account, part and state.

    Only those that are not in order are looked at: a look at every row of a large catalogue takes seconds.
    """
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in db.execute("SELECT account, count(*) AS n FROM listings GROUP BY account").fetchall():
        found[row["account"]] = {part.value: {**dict.fromkeys(_STATES, 0), "not_needed": row["n"]} for part in Part}
    for state, sql in _UNSETTLED:
        for row in db.execute(sql).fetchall():
            for part in set(row.keys()) - {"account"}:
                counts = found[row["account"]][part]
                counts[state] += row[part] or 0
                counts["not_needed"] -= row[part] or 0
    return found


def _no_parts() -> dict[str, dict[str, int]]:
    return {part.value: dict.fromkeys(_STATES, 0) for part in Part}


def _jobs(db: sqlite3.Connection, account: str) -> list[View]:
    rows = db.execute("SELECT * FROM jobs WHERE account = ? ORDER BY job", (account,)).fetchall()
    names = ("last_started_at", "last_ended_at", "last_succeeded_at", "failing_since", "held_until")
    return [{**some(row, "job", "failures", "last_error"), **instants(row, *names)} for row in rows]


def _lines_by_state(db: sqlite3.Connection, account: str) -> dict[str, int]:
    rows = db.execute(
        'SELECT l.state, count(*) AS n FROM orders o JOIN order_lines l ON l."order" = o.id WHERE o.account = ?'
        " GROUP BY l.state ORDER BY l.state",
        (account,),
    ).fetchall()
    return {row["state"]: row["n"] for row in rows}


def _paused(pause: Pause) -> View:
    until = None if pause.until is None else iso(to_us(pause.until))
    return {"job": pause.job, "reason": pause.reason, "paused_at": iso(to_us(pause.paused_at)), "until": until}


def _counts(db: sqlite3.Connection, sql: str) -> dict[str, int]:
    return {row["account"]: row["n"] for row in db.execute(sql).fetchall()}


def _restored(db: sqlite3.Connection) -> str | None:
    """When it was noticed last that the database had been restored from an older one (P29)."""
    at = restored_at(db)
    return None if at is None else iso(to_us(at))
