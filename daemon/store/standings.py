"""How order lines stand in the database, and when their order changed last."""

import sqlite3
from datetime import datetime

from daemon.model import LineState
from daemon.rules.moves import Standing
from daemon.store.times import to_us

#: a line in one of these still has something before it, the usual ones first
OPEN_STATES = (LineState.NEW, LineState.ACCEPTED, LineState.TO_SHIP, LineState.TO_CANCEL, LineState.REFUNDING)


def open_line(line: str) -> str:
    """That a line is open, by its name in the question: the words of the partial indexes, so that SQLite uses them."""
    return "(" + " OR ".join(f"{line}.state = '{state}'" for state in OPEN_STATES) + ")"


def waiting_line(line: str) -> str:
    """That a line waits for the seller, by its name in the question."""
    return f"{open_line(line)} AND {line}.state IN ('new', 'to_ship')"


def standing(row: sqlite3.Row) -> Standing:
    """How the line of a row stands."""
    return Standing(LineState(row["state"]), row["quantity"], row["shipped"], row["cancelled"], row["refunded"])


def put_standing(db: sqlite3.Connection, row: sqlite3.Row, stands: Standing, at: datetime) -> None:
    """Let the line of a row stand like that from now on; a state that it has already it keeps since when it has it."""
    db.execute(
        "UPDATE order_lines SET state = ?, shipped = ?, cancelled = ?, refunded = ?, since = ? WHERE id = ?",
        (
            *(stands.state, stands.shipped, stands.cancelled, stands.refunded),
            *(row["since"] if stands.state == row["state"] else to_us(at), row["id"]),
        ),
    )


def change_stamp(db: sqlite3.Connection, account: str, at: datetime) -> int:
    """The `changed_at` of an order that changes now: behind every one that is kept already.

    `at` was read at the top of a turn, which may end long after another change was seen; whoever goes on from the
    last change that he saw must neither miss this one nor see one twice (S2).
    """
    last = db.execute("SELECT max(changed_at) FROM orders WHERE account = ?", (account,)).fetchone()[0]
    return max(to_us(at), (last or 0) + 1)
