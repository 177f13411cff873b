"""Many rows into a table, some hundreds a statement: each statement costs more than the rows that it has."""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

_ROWS = 200


def fill(db: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert the rows in their order.

    A row a statement, as `executemany` does it, takes twice as long, and hands the interpreter to and fro with every
    one of them: a thread that reads the next rows at the same time would get in between each time.
    """
    into, one = _words(table, columns)
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        db.execute(into + ", ".join([one] * len(some)), list(chain.from_iterable(some)))


def insert(db: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert the rows in their order, of which there may be thousands and as well a few, as of one order.

    What is left over of the hundreds goes a row a statement: one of just so many would first have to be understood.
    """
    whole = len(rows) - len(rows) % _ROWS
    fill(db, table, columns, rows[:whole])
    db.executemany("".join(_words(table, columns)), rows[whole:])


def _words(table: str, columns: Sequence[str]) -> tuple[str, str]:
    one = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ", one  # noqa: S608 - our own words
