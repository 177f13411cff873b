"""The start of the process waits for nothing that it does not need yet. Without timing: what was done is counted."""

import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from daemon.store import Store, open_store
from tests.jobs.scene import moment
from tests.store.steps import steps_of

_IMPORTED = (
    "import sys, daemon.cli, daemon.main, daemon.web.passwords as p; print(*sys.modules, p._nobodys.cache_info())"
)


def test_what_is_rarely_needed_is_imported_and_made_when_it_is() -> None:
    told = subprocess.run([sys.executable, "-c", _IMPORTED], check=True, capture_output=True, text=True).stdout
    modules = set(told.split())
    assert "daemon.main" in modules
    assert not modules & {"openpyxl", "holidays", "daemon.sandbox", "daemon.cli.demo.show"}
    assert "currsize=0" in told, "a password was hashed, which takes a fifth of the start"


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
