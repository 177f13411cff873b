"""The start of the process waits for nothing that it does not need yet. Without timing: what was done is counted."""

import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread

from daemon.store import Store, open_store
from tests.jobs.scene import moment
from tests.store.steps import steps_of

_IMPORTED = (
    "import sys, daemon.cli, daemon.main, daemon.web.passwords as p; print(*sys.modules, p._nobodys.cache_info())"
)
#: what speaks to the outside, draws tables or serves pages: more time to import than all of ours
_FAR = {"asyncssh", "httpx", "aiosmtplib", "smtplib", "cryptography", "openpyxl", "holidays"}
_HEAVY = _FAR | {"fastapi", "uvicorn", "jinja2", "rich", "apscheduler", "structlog"}


def modules_after(script: str) -> set[str]:
    """What a fresh process has imported after a script that prints nothing else in its last line."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {script}; print(); print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("daemon.store", _HEAVY | {"pydantic"}),
        ("daemon.config", _HEAVY),
        ("daemon.marketplaces.dialects", _HEAVY),
    ],
)
def test_a_floor_waits_for_no_library_of_another(module: str, without: set[str]) -> None:
    modules = modules_after(f"import {module}")
    assert module in modules
    assert not modules & without


def test_the_holidays_of_the_shipped_retailers_are_not_looked_up_to_read_a_configuration() -> None:
    script = "from daemon.marketplaces.edge.days import CalendarTable; CalendarTable(holidays='GB-ENG')"
    assert "holidays" not in modules_after(script)


async def test_questions_at_the_command_line_wait_for_the_database_alone(tmp_path: Path) -> None:  # S3
    config = tmp_path / "config.toml"
    config.write_text('[daemon]\nstate_dir = "state"\n')
    async with open_store(tmp_path / "state" / "sellerd.db"):
        asked = [
            ["--config", str(config), noun] for noun in ("status", "gate", "feeds", "orders", "alerts", "deliveries")
        ]
        script = f"from daemon.cli import main; [main(words, standalone_mode=False) for words in {asked!r}]"
        modules = await to_thread.run_sync(modules_after, script)
    assert "daemon.store" in modules
    assert not modules & (_HEAVY | {"pydantic"})


async def _recovered(store: Store) -> None:
    """What the daemon does before it is ready (`daemon.main.Daemon.live`)."""
    now = moment(timedelta())
    await store.feeds.recover(now)
    await store.updates.recover(now.at)
    await store.runs.cut(now.at)
    await store.runs.snapshot()


async def test_no_table_is_walked_over_before_the_process_is_ready(tmp_path: Path) -> None:
    """What is set right after a start costs the same among 5,000 listings and turns as among none."""
    path = tmp_path / "sellerd.db"

    async def recover() -> int:
        async with open_store(path) as store:
            return await steps_of(store.database, partial(_recovered, store))

    empty = await recover()
    async with open_store(path) as store:
        await store.database.write(
            lambda db: (
                db.execute("INSERT INTO accounts (name, marketplace) VALUES ('redoute', 'laredoute')").rowcount,
                db.execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO listings"
                    " (account, sku, created_at, changed_at) SELECT 'redoute', 'SKU-' || i, 0, 0 FROM n"
                ).rowcount,
                db.execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO feeds"
                    " (account, kind, state, size, opened_at) SELECT 'redoute', 'offer', 'answered', 1, 0 FROM n"
                ).rowcount,
                db.execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO job_runs"
                    " (account, job, started_at, outcome) SELECT 'redoute', 'orders', i, 'done' FROM n"
                ).rowcount,
            )
        )
    assert await recover() < empty + 1_000
