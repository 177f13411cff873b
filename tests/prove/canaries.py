"""Canaries: secrets and customers that the far sides of a test plant everywhere, and no place where they may be heard.

Every account of a test goes by the sandbox's passwords, keys and tokens, and every order that the sandbox makes up has a
customer of a known kind. Whatever a method makes the process say, in a log, an error, a record of a turn, a page, is put
to `assert_clean`. Each canary is looked for as it is and as JSON, XML, URLs, Python and HTTP's logins write it.
"""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import structlog

from daemon.logs import configure
from daemon.sandbox import JohnLewisSettings, LaRedouteSettings
from daemon.store.database import Database

_REDOUTE, _LEWIS = LaRedouteSettings(), JohnLewisSettings()
#: what gives access to a marketplace
SECRETS = (
    *(_REDOUTE.http.password, _REDOUTE.sftp.password, _LEWIS.sftp.password),
    *(_REDOUTE.items_key, _REDOUTE.read_orders_key, _REDOUTE.update_orders_key),
)
#: what the made-up customers are told by: names, streets, towns, postcodes, telephones, mail addresses, instructions
PEOPLE = (
    *("Essai", "rue de l'Église", "Bâtiment B", "relais-", "0100000000", "Sonner à", "Bourg-en-Bresse"),
    *("Test Street", "Testtown", "TE1 1ST", "01632960000", "relay-"),
)
#: tables that are shown to whoever may see how the daemon works; nobody's name and no secret belongs there
TOLD = (
    *("accounts", "alerts", "audit", "events", "feeds", "guard_cases", "heartbeat", "job_runs", "jobs", "notices"),
    *("notice_deliveries", "order_updates", "pauses", "vigil"),
)


def _forms(canary: str) -> set[str]:
    login = f"{_REDOUTE.http.user}:{canary}".encode()
    ways = {canary, json.dumps(canary)[1:-1], quote(canary), escape(canary), repr(canary)[1:-1], ascii(canary)[1:-1]}
    return ways | {base64.b64encode(login).decode(), canary.encode("utf-8").hex()}


_LOOKED_FOR = {form: canary for canary in (*SECRETS, *PEOPLE) for form in _forms(canary)}


def found(text: str) -> list[str]:
    """The canaries that stand in a text, in whatever form."""
    return sorted({canary for form, canary in _LOOKED_FOR.items() if form in text})


def heard(text: str, where: str) -> list[str]:
    """A sentence for a text in which a canary stands, with the line; none where it is clean."""
    if not (names := found(text)):
        return []
    line = next((line for line in text.splitlines() if found(line)), "")
    return [f"{', '.join(names)} in {where}: {line[:300]}"]


def assert_clean(text: str, where: str = "the text") -> int:
    """Raise AssertionError where a canary is in a text; returns how many lines were looked at."""
    for sentence in heard(text, where):
        raise AssertionError(sentence)
    return len(text.splitlines())


@contextmanager
def listening(level: str = "debug") -> Iterator[Callable[[], str]]:
    """Log as the daemon does, at every level, and give what was told; the redactor knows the secrets, as in the daemon."""
    root, out = logging.getLogger(), StringIO()
    handlers, before = root.handlers, root.level
    configure(level, "json", out, secrets=SECRETS)
    try:
        yield out.getvalue
    finally:
        root.handlers = handlers
        root.setLevel(before)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


async def assert_database_tells_nobody(database: Database) -> int:
    """Look into everything that the database says of the daemon's own work; returns how many values were looked at.

    Whole numbers are instants and counts: digits of a telephone stand in one by chance, and a telephone never is one.
    """

    def told(db: Any) -> list[tuple[str, str]]:
        return [
            (table, str(value))
            for table in TOLD
            for row in db.execute(f"SELECT * FROM {table}").fetchall()
            for value in row
            if not isinstance(value, int)
        ]

    values = await database.read(told)
    for table, value in values:
        assert_clean(value, f"table {table}")
    return len(values)


def canary_bytes_in(*paths: Path) -> dict[str, list[str]]:
    """The people whose bytes stand in files, by file name: after an erasure there are none."""
    held = {}
    for path in paths:
        content = path.read_bytes()
        names = [
            name for name in PEOPLE if name.encode("utf-8") in content or json.dumps(name)[1:-1].encode() in content
        ]
        if names:
            held[path.name] = names
    return held
