"""Which lines and units of an order may be chosen for an update: what is legal, left, on its way (L12)."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from daemon.errors import NotAllowed
from daemon.model import AccountName, LegalMoves, Money, OrderNumber, UpdateKind
from daemon.rules.amounts import units_of
from daemon.rules.moves import LEADS_TO, cancel_hindrance, hindrance, left, now_possible, still_free
from daemon.store.standings import open_line, standing

#: lines of an order by reference, each with its units or what those cost; None is all of them
Choice = Sequence[tuple[str, int | Money | None]] | None

# Units of a listing that open orders were promised and that have not left.
_PROMISED = (
    "SELECT coalesce(sum(l.quantity - l.shipped - l.cancelled), 0) FROM order_lines l"  # noqa: S608 - our own words
    f" WHERE l.listing = ? AND {open_line('l')}"
    " AND (l.state IN ('accepted', 'to_ship') OR (l.state = 'new' AND EXISTS (SELECT 1 FROM update_lines w"
    " JOIN order_updates u ON u.id = w.\"update\" WHERE w.line = l.id AND u.kind = 'acceptance'"
    " AND u.state IN ('pending', 'sending', 'in_doubt'))))"
)


def order_of(db: sqlite3.Connection, account: AccountName, number: OrderNumber) -> sqlite3.Row:
    """The row of an order that may be worked on; raises NotAllowed."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM orders WHERE account = ? AND number = ?", (account, number)
    ).fetchone()
    if row is None:
        raise NotAllowed(f"account {account} has no order {number}")
    if row["incomplete"]:
        raise NotAllowed(f"order {number} is incomplete and must not be worked on: {row['incomplete']}")
    return row


def _lines(db: sqlite3.Connection, order: sqlite3.Row) -> dict[str, sqlite3.Row]:
    rows = db.execute('SELECT * FROM order_lines WHERE "order" = ? ORDER BY position', (order["id"],)).fetchall()
    return {row["ref"]: row for row in rows}


def wanted(
    db: sqlite3.Connection, order: sqlite3.Row, kind: UpdateKind, lines: Choice, legal_moves: LegalMoves
) -> list[tuple[int, int]]:
    """The lines of an update as (row, units), every one of them legal."""
    if kind not in legal_moves:
        known = ", ".join(sorted(legal_moves.from_states))
        raise NotAllowed(f"this marketplace knows no {kind}; it knows {known}")
    rows, booked = _lines(db, order), _booked(db, order["id"])
    free = {ref: _left(row, kind, booked[row["id"]], legal_moves) for ref, row in rows.items()}
    if lines is None:
        legal = [ref for ref, row in rows.items() if not hindrance(standing(row), kind, legal_moves)]
        lines = [(ref, free[ref]) for ref in legal if free[ref] > 0]
        if not lines:
            raise NotAllowed(_nothing(order["number"], kind, rows.values(), booked, legal_moves))
    _check_once(lines)
    chosen = [(ref, _units(order["number"], rows.get(ref), asked, free.get(ref, 0))) for ref, asked in lines]
    for ref, quantity in chosen:
        _check(order["number"], kind, rows.get(ref), ref, quantity, free.get(ref, 0), legal_moves)
    return [(rows[ref]["id"], quantity) for ref, quantity in chosen]


def _units(number: str, row: sqlite3.Row | None, asked: int | Money | None, free: int) -> int:
    """The units that are asked of a line, of which so many are free."""
    if asked is None or row is None:
        return free
    if not isinstance(asked, Money):
        return asked
    price = None if row["price_minor"] is None else Money(row["price_minor"], row["currency"])
    try:
        return units_of(asked, price, free)
    except NotAllowed as error:
        raise NotAllowed(f"line {row['ref']} of order {number}: {error}") from None


def _check_once(lines: Sequence[tuple[str, object]]) -> None:
    if len({ref for ref, _ in lines}) != len(lines):
        raise NotAllowed("a line stands twice in this update; give each once, with all its units")


Booked = Mapping[int, Mapping[UpdateKind, int]]


def _booked(db: sqlite3.Connection, order_id: int) -> Booked:
    """Units per line and kind that stand in updates which have not moved their lines yet."""
    found: defaultdict[int, Counter[UpdateKind]] = defaultdict(Counter)
    for line, kind, units in db.execute(
        'SELECT l.line, u.kind, sum(l.quantity) FROM update_lines l JOIN order_updates u ON u.id = l."update"'
        " WHERE u.\"order\" = ? AND u.state IN ('pending', 'sending', 'in_doubt') GROUP BY l.line, u.kind",
        (order_id,),
    ).fetchall():
        found[line][UpdateKind(kind)] = units
    return found


def _left(row: sqlite3.Row, kind: UpdateKind, booked: Mapping[UpdateKind, int], legal_moves: LegalMoves) -> int:
    """The units of a line of which an update of this kind could still be said, beside those on their way."""
    return still_free(standing(row), kind, booked, legal_moves)


def _check(
    number: str, kind: UpdateKind, row: sqlite3.Row | None, ref: str, quantity: int, free: int, legal_moves: LegalMoves
) -> None:
    if row is None:
        raise NotAllowed(f"order {number} has no line {ref}")
    if why := hindrance(standing(row), kind, legal_moves):
        raise NotAllowed(f"line {ref} of order {number} is {row['state']}: {why}")
    if not 0 < quantity <= free:
        on_their_way = left(standing(row), kind, by_units=kind in legal_moves.by_units) - free
        raise NotAllowed(
            f"line {ref} of order {number}: {quantity} units cannot go; {max(free, 0)} of {row['quantity']} are left"
            f" ({row['shipped']} shipped, {row['cancelled']} cancelled, {row['refunded']} refunded"
            f"{f', {on_their_way} in updates on their way' if on_their_way else ''})"
        )
    if kind not in legal_moves.by_units and quantity != row["quantity"]:
        raise NotAllowed(f"line {ref} of order {number}: {kind} is for the whole line, {row['quantity']} units")


def _nothing(
    number: str, kind: UpdateKind, rows: Iterable[sqlite3.Row], booked: Booked, legal_moves: LegalMoves
) -> str:
    states = ", ".join(f"{row['ref']} {row['state']}" for row in rows)
    waiting = "; an update of it is on its way" if any(sum(each.values()) for each in booked.values()) else ""
    wanted = " or ".join(sorted(legal_moves.from_states[kind]))
    return f"order {number} has no line for {kind}: that is possible when a line is {wanted}; now {states}{waiting}"


def cancelled(
    db: sqlite3.Connection, order: sqlite3.Row, lines: Choice, legal_moves: LegalMoves
) -> tuple[dict[UpdateKind, list[tuple[int, int]]], list[str]]:
    """By which kinds a request to cancel goes out, with (row, units) of each, and which lines it leaves out."""
    if not legal_moves.cancels:
        raise NotAllowed("at this marketplace an order can be neither cancelled nor refunded from here")
    rows, booked = _lines(db, order), _booked(db, order["id"])
    chosen: dict[UpdateKind, list[tuple[int, int]]] = {kind: [] for kind in legal_moves.cancels}
    left_out = []
    _check_once(lines or ())
    for ref, quantity in [(ref, None) for ref in rows] if lines is None else lines:
        if ref not in rows:
            raise NotAllowed(f"order {order['number']} has no line {ref}")
        row = rows[ref]
        found = _ways(order["number"], row, quantity, booked[row["id"]], legal_moves)
        if isinstance(found, str):
            left_out.append(f"line {ref} of order {order['number']} is {row['state']}: {found}")
            continue
        for kind, units in found:
            chosen[kind].append((row["id"], units))
    if left_out and (lines is not None or not any(chosen.values())):
        raise NotAllowed("; ".join(left_out))
    return chosen, left_out


def _ways(
    number: str,
    row: sqlite3.Row,
    asked: int | Money | None,
    booked: Mapping[UpdateKind, int],
    legal_moves: LegalMoves,
) -> list[tuple[UpdateKind, int]] | str:
    """The kinds, with units, by which a line is cancelled; or why it cannot be."""
    if why := cancel_hindrance(standing(row), legal_moves):
        return why
    free = {
        kind: 0 if hindrance(standing(row), kind, legal_moves) else _left(row, kind, booked, legal_moves)
        for kind in legal_moves.cancels
    }
    found = []
    wanted = None if asked is None else _units(number, row, asked, sum(free.values()))
    for kind in legal_moves.cancels:
        units = free[kind] if wanted is None else min(free[kind], wanted)
        if kind not in legal_moves.by_units and 0 < units < row["quantity"]:
            return f"{kind} is for the whole line, {row['quantity']} units"
        if units > 0:
            found.append((kind, units))
            wanted = None if wanted is None else wanted - units
    if wanted or not found:
        total = sum(units for _, units in found)
        return f"{total} of its {row['quantity']} units can be; the rest was, or is in updates on their way"
    return found


def answerable(
    db: sqlite3.Connection, order: sqlite3.Row, asked: Sequence[tuple[str, int]], legal_moves: LegalMoves
) -> tuple[list[tuple[int, int]], list[str]]:
    """Of the units that the marketplace asks to cancel, those that still can be, as (row, units); why not others."""
    kind = UpdateKind.CANCELLATION
    rows, booked = _lines(db, order), _booked(db, order["id"])
    chosen, left_out = [], []
    for ref, units in asked:
        if ref not in rows:
            left_out.append(f"order {order['number']} has no line {ref}")
            continue
        row = rows[ref]
        if why := hindrance(standing(row), kind, legal_moves):
            left_out.append(f"line {ref} of order {order['number']} is {row['state']}: {why}")
            continue
        free = max(min(units, _left(row, kind, booked[row["id"]], legal_moves)), 0)
        if free < units:
            left_out.append(f"line {ref} of order {order['number']}: {units} units asked, {free} can be cancelled")
        if free:
            chosen.append((row["id"], free))
    return chosen, left_out


def overtaken(db: sqlite3.Connection, update: sqlite3.Row, legal_moves: LegalMoves) -> str:
    """Why a waiting update has become pointless or illegal; empty where it may go."""
    kind = UpdateKind(update["kind"])
    told = []
    for line in db.execute(
        'SELECT w.quantity AS units, l.* FROM update_lines w JOIN order_lines l ON l.id = w.line WHERE w."update" = ?'
        " ORDER BY l.position",
        (update["id"],),
    ).fetchall():
        stands = standing(line)
        if stands.state is LEADS_TO[kind]:
            told.append(f"line {line['ref']} is {stands.state} already")
        elif hindrance(stands, kind, legal_moves):
            told.append(f"line {line['ref']} is {stands.state} by now; {now_possible(stands.state, legal_moves)}")
        elif line["units"] > (free := left(stands, kind, by_units=kind in legal_moves.by_units)):
            told.append(f"line {line['ref']} has only {free} units left for {kind}")
    return f"not sent, because its lines have moved on: {'; '.join(told)}" if told else ""


def in_stock(db: sqlite3.Connection, order: int) -> bool:
    """Whether every line of an order that waits for acceptance can be served."""
    wanted: Counter[int | None] = Counter()
    for line in db.execute(
        "SELECT listing, quantity FROM order_lines WHERE \"order\" = ? AND state = 'new'", (order,)
    ).fetchall():
        wanted[line["listing"]] += line["quantity"]
    for listing, units in wanted.items():
        row = db.execute("SELECT stock, ended FROM listings WHERE id = ?", (listing,)).fetchone()
        if row is None or row["ended"]:
            return False
        if (row["stock"] or 0) - db.execute(_PROMISED, (listing,)).fetchone()[0] < units:
            return False
    return True
