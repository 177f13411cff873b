"""The watch over a real database and a real disk: what it finds, records, logs, and has delivered."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from daemon.config import Config
from daemon.health import Loaded, Verdict
from daemon.logs import configure
from daemon.model import AccountName, Moment
from daemon.rules.causes import CauseKind
from daemon.store import Store, open_store
from daemon.vigil import Vigil
from tests.seller.conftest import redoute
from tests.smtp import mail_server

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LR = AccountName("redoute")
WELL = Verdict(True, (), Loaded(NOON), NOON, NOON, (), {})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(LR, "laredoute", "", NOON)
        yield store


def moment(at: datetime, *, synchronised: bool = True) -> Moment:
    return Moment(at, "boot-1", 1_000_000_000, synchronised=synchronised)


class Scene:
    """A daemon of which the verdict is known; how often delivering was asked for."""

    def __init__(self, store: Store, **alerts: Any) -> None:
        self.verdict = WELL
        self.asked = 0
        # The disk of the test's machine is not ours to judge.
        alerts = {"disk_free_percent": 0, "disk_free_mib": 0, **alerts}
        self.config = Config.model_validate({"alerts": alerts}).model_copy(update={"accounts": {LR: redoute()}})
        self.store = store
        self.vigil = Vigil(store, lambda: self.config, self.health, self.deliver)

    async def health(self) -> Verdict:
        return self.verdict

    def deliver(self) -> None:
        self.asked += 1

    async def kinds(self) -> list[str]:
        return [alert.kind.value for alert in await self.store.alerts.open()]


async def test_what_is_wrong_is_logged_once_and_so_is_its_end(store: Store) -> None:  # D11
    root, out = logging.getLogger(), StringIO()
    before = root.handlers, root.level
    configure("info", "json", out)
    try:
        scene = Scene(store)
        scene.verdict = replace(WELL, held={LR: (NOON, "the password was refused")})
        for minute in range(3):
            await scene.vigil.look(moment(NOON + minute * MINUTE))
        scene.verdict = WELL
        for minute in range(3, 20):
            await scene.vigil.look(moment(NOON + minute * MINUTE))
    finally:
        root.handlers, _ = before
        root.setLevel(before[1])
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["level"], line["event"], line["kind"], line["account"]) for line in lines] == [
        ("error", "alert", "held", "redoute"),
        ("info", "alert resolved", "held", "redoute"),
    ]


async def test_the_rows_of_an_account_are_asked(store: Store) -> None:
    scene = Scene(store)
    await store.database.write(
        lambda db: (
            db.execute(
                "INSERT INTO feeds (account, kind, state, size, accepted, rejected, opened_at, sent_at) VALUES"
                " ('redoute', 'offer', 'lapsed', 20, 0, 0, :hour, :hour),"
                " ('redoute', 'item', 'answered', 20, 8, 12, :hour, :hour),"
                " ('redoute', 'offer', 'sent', 20, 0, 0, :two, :two)",
                {"hour": _us(NOON - HOUR), "two": _us(NOON - 2 * HOUR)},
            ).rowcount
        )
    )
    await store.database.write(
        lambda db: (
            db.execute(
                "INSERT INTO listings (account, sku, channel_status, stock, price_minor, stock_state, created_at,"
                " changed_at) VALUES ('redoute', 'A', 'offer_integrated', 1, 100, 'pending', :at, :at),"
                # One that no feed could take does not wait.
                " ('redoute', 'B', 'offer_integrated', 1, NULL, 'pending', :old, :old)",
                {"at": _us(NOON - 7 * HOUR), "old": _us(NOON - 9 * DAY)},
            ).rowcount
        )
    )

    await scene.vigil.look(moment(NOON))

    texts = {alert.kind: alert.text for alert in await store.alerts.open()}
    assert texts == {
        CauseKind.LAPSING: "1 feed of redoute lapsed within a day",
        CauseKind.REJECTIONS: "12 of 20 answers for redoute within a day reject",
        CauseKind.ANSWERS_OVERDUE: "an offer feed of redoute has had no answer since 2026-03-02 10:00 UTC",
        CauseKind.PENDING_TOO_LONG: "offer changes of redoute are due since 2026-03-02 05:00 UTC and have not left",
    }


def _us(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000


async def test_the_clock_is_a_cause_once_it_has_been_alone_for_long_enough(store: Store) -> None:
    scene = Scene(store)
    for minute in (0, 10, 29):
        await scene.vigil.look(moment(NOON + minute * MINUTE, synchronised=False))
    assert await scene.kinds() == []
    await scene.vigil.look(moment(NOON + 30 * MINUTE, synchronised=False))
    assert await scene.kinds() == ["clock"]
    for minute in (31, 36):
        await scene.vigil.look(moment(NOON + minute * MINUTE))
    assert await scene.kinds() == []


async def test_the_real_disk_is_asked(store: Store) -> None:
    scene = Scene(store, disk_free_percent=100)
    await scene.vigil.look(moment(NOON))
    assert await scene.kinds() == ["disk"]
    machine = await scene.vigil.machine(moment(NOON))
    assert machine.database_bytes == store.database.path.stat().st_size
    assert machine.log_bytes is not None


async def test_something_to_tell_asks_for_its_delivery_and_nothing_does_not(store: Store) -> None:
    async with mail_server() as inbox:
        table = {"host": "127.0.0.1", "port": inbox.port, "security": "none", "sender": "a@seller.example"}
        scene = Scene(store, mail={**table, "recipients": ["ops@seller.example"]})
        await scene.vigil.look(moment(NOON))
        scene.verdict = replace(WELL, held={LR: (NOON, "the password was refused")})
        await scene.vigil.look(moment(NOON + MINUTE))
        assert scene.asked == 0
        await scene.vigil.look(moment(NOON + 2 * MINUTE))
        await scene.vigil.look(moment(NOON + 3 * MINUTE))

    assert scene.asked == 1


async def test_it_is_only_said_to_be_well_when_it_is(store: Store) -> None:
    scene = Scene(store)
    scene.verdict = replace(WELL, ok=False, reasons=("the scheduler ticked last 16 s ago",))
    await scene.vigil.look(moment(NOON))
    assert await store.alerts.well_at() is None
    scene.verdict = WELL
    await scene.vigil.look(moment(NOON + MINUTE))
    assert await store.alerts.well_at() == NOON + MINUTE


async def test_a_storage_that_fails_again_and_again_is_not_told_each_time(store: Store) -> None:  # P16
    async with mail_server() as inbox:
        table = {"host": "127.0.0.1", "port": inbox.port, "security": "none", "sender": "a@seller.example"}
        scene = Scene(store, mail={**table, "recipients": ["ops@seller.example"]})
        now = datetime.now(UTC)
        for _ in range(3):
            await scene.vigil.last_words(now)
        assert len(inbox.mails) == 1
        # The next start says so as well, where it can be seen.
        await scene.vigil.look(moment(now + MINUTE))
        assert await scene.kinds() == ["ended"]
        await scene.vigil.last_words(now + 2 * HOUR)

    assert [mail["Subject"] for mail in inbox.mails] == [
        "[sellerd] CRITICAL: The daemon ends because its storage failed: a turn could not be recorded"
    ] * 2
