"""Tests of the tests: each known mistake is put into a copy of the tree, and a test that runs on every change must fail."""

import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together

ROOT = Path(__file__).parents[2]
#: seconds for the tests of one mutant; a mistake that lets them hang is found, too
LIMIT = 300
_TESTS_FAILED = 1


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: what is replaced in which file, and the tests that are meant to notice."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "record after send",
        "daemon/jobs/feeds.py",
        (
            (
                "feed = await run.store.feeds.spooled(feed, run.marketplace.feed_name(feed), payload, run.clock().at)",
                "feed = replace(feed, name=run.marketplace.feed_name(feed))",
            ),
            (
                "        await feeds.sent(feed, rule, remote_ref, run.clock())",
                (
                    "        await feeds.spooled(feed, feed.name, spool.chunks.args[0], run.clock().at)\n"
                    "        await feeds.sent(feed, rule, remote_ref, run.clock())"
                ),
            ),
        ),
        ("tests/jobs/test_crash_points.py",),
    ),
    Mutant(
        "claim not committed",
        "daemon/store/opening.py",
        (
            (
                "    close_gate(db, account, rule, rule.deadline + rule.interval",
                "    if not rule:\n        close_gate(db, account, rule, rule.deadline + rule.interval",
            ),
        ),
        ("tests/store/test_gate.py", "tests/store/test_feeds.py"),
    ),
    Mutant(
        "synchronous=NORMAL",
        "daemon/store/database.py",
        (("PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"),),
        ("tests/prove/test_powercut.py",),
    ),
    Mutant(
        "synchronous=OFF",
        "daemon/store/database.py",
        (("PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF"),),
        ("tests/store/test_database.py",),
    ),
    Mutant(
        "gate per kind instead of per account",
        "daemon/store/gates.py",
        (
            (
                "    gate = read_gate(row)\n    told = wait(gate, now)\n",
                (
                    "    gate = read_gate(row)\n"
                    "    due = db.execute(\"SELECT 1 FROM listings WHERE account = ? AND stock_state = 'pending'\","
                    " (account,)).fetchone()\n"
                    '    sent = db.execute("SELECT 1 FROM feed_objects WHERE feed = ? AND stock_revision IS NOT NULL",'
                    ' (row["feed"],)).fetchone()\n'
                    "    if (due is None) != (sent is None):\n        return None\n"
                    "    told = wait(gate, now)\n"
                ),
            ),
        ),
        ("tests/store/test_gate.py", "tests/store/test_feeds.py", "tests/jobs/test_laredoute.py"),
    ),
    Mutant(
        "wall clock in the gate",
        "daemon/rules/gate.py",
        (
            (
                "return timedelta(microseconds=-((now.boot_ns - gate.opens_boot_ns) // _NS))",
                "return gate.opens_at - now.at",
            ),
        ),
        ("tests/store/test_gate.py",),
    ),
    Mutant(
        "no re-check before the first byte",
        "daemon/jobs/feeds.py",
        (("    if left <= timedelta():", "    if left is None:"),),
        ("tests/jobs/test_laredoute.py", "tests/jobs/test_crash_points.py"),
    ),
    Mutant(
        "retry of POST",
        "daemon/transports/http.py",
        (
            (
                (
                    "                reply = await _exchange(\n"
                    "                    pool.client, request, journey, where, deadline=deadline, limit=limit,"
                    " judge=_judge, cut=cut\n"
                    "                )\n"
                ),
                (
                    "                try:\n"
                    "                    reply = await _exchange(\n"
                    "                        pool.client, request, journey, where, deadline=deadline, limit=limit,"
                    " judge=_judge, cut=cut\n"
                    "                    )\n"
                    "                except Unconfirmed:\n"
                    "                    reply = await _exchange(\n"
                    "                        pool.client, request, journey, where, deadline=deadline, limit=limit,"
                    " judge=_judge, cut=cut\n"
                    "                    )\n"
                ),
            ),
        ),
        ("tests/transports/test_http.py",),
    ),
    Mutant(
        "de-duplicate by name only",
        "daemon/store/deliveries.py",
        (
            (
                "return [file for file in files if _identity(file) not in known]",
                "return [file for file in files if _identity(file)[:2] not in {each[:2] for each in known}]",
            ),
        ),
        ("tests/jobs/test_johnlewis_order_files.py", "tests/jobs/test_johnlewis.py"),
    ),
    Mutant(
        "a surprise holds up what stands behind it",
        "daemon/errors.py",
        (
            (
                "    if any(isinstance(leaf, DaemonError | OSError | MemoryError)",
                "    if any(isinstance(leaf, BaseException)",
            ),
        ),
        ("tests/jobs/test_unforeseen.py",),
    ),
    Mutant(
        "a failing disk is a file's doing",
        "daemon/errors.py",
        (
            (
                "    if any(isinstance(leaf, DaemonError | OSError | MemoryError)",
                "    if any(isinstance(leaf, MemoryError)",
            ),
        ),
        ("tests/jobs/test_unforeseen.py",),
    ),
    Mutant(
        "acknowledge in the same step as parse",
        "daemon/marketplaces/edge/marketplace.py",
        (
            (
                "                content, body = _read(outcome, read)\n                yield Delivery(file, content, body)\n",
                (
                    "                content, body = _read(outcome, read)\n                await self.confirm(file)\n"
                    "                yield Delivery(file, content, body)\n"
                ),
            ),
        ),
        ("tests/jobs/test_crash_points.py", "tests/jobs/test_johnlewis_order_files.py"),
    ),
    Mutant(
        ".DONE ignored",
        "daemon/marketplaces/edge/marketplace.py",
        (("in names] if wait else found", "in names or wait] if wait else found"),),
        ("tests/jobs/test_johnlewis.py", "tests/jobs/test_johnlewis_order_files.py"),
    ),
    Mutant(
        "line count ignored",
        "daemon/marketplaces/edge/sections.py",
        (("    if expected not in {read_lines, last.line - 1}:", "    if expected < 0:"),),
        ("tests/marketplaces/edge/test_orders.py", "tests/marketplaces/edge/test_sections.py"),
    ),
    Mutant(
        "errors='replace'",
        "daemon/marketplaces/edge/sections.py",
        (('content.decode("cp1252")', 'content.decode("cp1252", "replace")'),),
        ("tests/marketplaces/edge/test_orders.py", "tests/marketplaces/edge/test_sections.py"),
    ),
    Mutant(
        "report applied by arrival order",
        "daemon/store/settling.py",
        (('f"o.{p}_revision = l.{p}_revision AND (', 'f"o.{p}_revision IS NOT NULL AND ('),),
        ("tests/store/test_feeds.py", "tests/store/test_late_answers.py"),
    ),
    Mutant(
        "missing unique index",
        "daemon/store/migrations/0001_first.sql",
        (("CREATE UNIQUE INDEX one_open_update ON", "CREATE INDEX one_open_update ON"),),
        ("tests/store/test_database.py", "tests/store/test_updates.py"),
    ),
    Mutant(
        "close() instead of abort()",
        "daemon/transports/sftp_session.py",
        (
            (
                "        self._retired = True\n        self._connection.abort()\n",
                "        self._retired = True\n        self._connection.close()\n",
            ),
            (
                "and self.users == 0:\n            self._connection.abort()\n",
                "and self.users == 0:\n            self._connection.close()\n",
            ),
        ),
        ("tests/transports/test_sftp.py",),
    ),
    Mutant(
        "reload re-adds all jobs",
        "daemon/timetable.py",
        (
            (
                "next_due(state.last_started_at, every, now)",
                "next_due(state.last_started_at and now, every, now)",
            ),
        ),
        ("tests/test_timetable.py",),
    ),
    Mutant(
        "rollback unshielded",
        "daemon/store/database.py",
        (
            (
                "        with CancelScope(shield=True):\n            result: R = await self._execute",
                "        with CancelScope(shield=False):\n            result: R = await self._execute",
            ),
        ),
        ("tests/store/test_database.py",),
    ),
    Mutant(
        "secrets in exception locals",
        "daemon/logs.py",
        (("show_locals=False", "show_locals=True"),),
        ("tests/test_runner.py",),
    ),
)


def apply(mutant: Mutant, root: Path) -> None:
    """Put the mistake into the tree at `root`; ValueError where the code is not there any more."""
    path = root / mutant.file
    text = path.read_text("utf-8")
    for before, after in mutant.changes:
        if text.count(before) != 1:
            raise ValueError(f"{mutant.name}: {mutant.file} has {text.count(before)} places like {before!r}")
        text = text.replace(before, after)
    path.write_text(text, "utf-8")


def killed(mutant: Mutant) -> Figures:
    """Run the tests that are meant to notice in a copy of the tree with the mistake in it."""
    figures = Figures()
    with TemporaryDirectory() as name:
        copy = Path(name) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info"))
        apply(mutant, copy)
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *mutant.tests],
                cwd=copy,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            figures.hit[f"{mutant.name}: its tests hang"] += 1
        else:
            if ended.returncode != _TESTS_FAILED:
                figures.broken.append(f"{mutant.name}: not noticed by {' '.join(mutant.tests)}")
                return figures
            failed = next((line for line in ended.stdout.splitlines() if line.startswith("FAILED")), "FAILED -")
            figures.hit[f"{mutant.name}: {failed.split()[1]}"] += 1
    figures.counts["killed"] += 1
    return figures


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="those whose name has this in it")


def _measure(asked: Namespace) -> Iterator[Result]:
    wanted = [mutant for mutant in MUTANTS if asked.name in mutant.name]
    figures = together(killed, wanted, asked.workers)
    yield Result("mutants", "python -m tests.prove mutants", figures, kept=not asked.name)


METHOD = Method(
    "mutants",
    "mistakes that such software is known for are put into a copy of the tree; a test has to fail for each",
    _options,
    _measure,
)
