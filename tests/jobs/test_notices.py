"""Notices over real sockets: one message for a storm, each way by itself, and a ping only while we are well."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.config import Config
from daemon.jobs import SiteRun
from daemon.jobs.notices import NotTold, last_words, merged, ping, subject, tell, try_ways
from daemon.model import AccountName, Moment
from daemon.rules.causes import Cause, CauseKind
from daemon.rules.signing import signed
from daemon.store import Store, open_store
from daemon.store.alerts import Notice
from tests.smtp import mail_server
from tests.transports.test_http import EMPTY, Server, serving

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LR = AccountName("lr")
HELD = Cause(CauseKind.HELD, "lr needs a person: the password was refused", LR)
SILENT = Cause(CauseKind.SILENCE, "no success of orders", AccountName("jl"))
BROKEN = EMPTY.replace(b"200 OK", b"500 Oh")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "sellerd.db") as store:
        yield store


def moment(at: datetime) -> Moment:
    return Moment(at, "boot-1", 1_000_000_000, synchronised=True)


class Site:
    """One installation: its causes, its clock, and the job that tells."""

    def __init__(self, store: Store, **alerts: Any) -> None:
        self.store = store
        self.config = Config.model_validate({"alerts": alerts})

    def run(self, at: datetime) -> SiteRun:
        return SiteRun(self.config, moment(at), self.store, lambda: moment(at))

    async def see(self, at: datetime, *causes: Cause) -> None:
        table = self.config.alerts
        await self.store.alerts.observe(causes, at, table.calm)
        await self.store.alerts.compose(table.ways, at, gather=MINUTE, apart=5 * MINUTE, repeat=DAY)


def mail(port: int) -> dict[str, object]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "sellerd@seller.example",
        "recipients": ["ops@seller.example"],
    }


def hook(server: Server, **more: object) -> dict[str, object]:
    return {"url": server.url, "allow_private": True, **more}


@asynccontextmanager
async def both(store: Store) -> AsyncIterator[tuple[Site, Any, Server]]:
    async with mail_server() as inbox, serving(EMPTY) as server:
        yield Site(store, mail=mail(inbox.port), webhook=hook(server)), inbox, server


async def test_several_causes_go_out_as_one_mail_that_says_what_to_do(store: Store) -> None:
    async with mail_server() as inbox:
        site = Site(store, mail=mail(inbox.port))
        await site.see(NOON, SILENT)
        await site.see(NOON + MINUTE, HELD, SILENT)
        assert (await tell(site.run(NOON + MINUTE))).done == 1
        assert (await tell(site.run(NOON + 2 * MINUTE))).done == 0

    (got,) = inbox.mails
    assert got["Subject"] == "[sellerd] CRITICAL: no success of orders (+ 1 more)"
    body = got.get_content()
    assert "NEW · critical · lr needs a person: the password was refused" in body
    assert "since 2026-03-02T12:01:00Z" in body
    assert "What to do: Put the right secret in place and run: sellerd reload" in body


async def test_a_webhook_gets_the_same_as_json_signed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "Open Sesame")
    async with serving(EMPTY) as server:
        site = Site(store, webhook=hook(server, secret={"env": "HOOK_SECRET"}))
        await site.see(NOON, HELD)
        await site.see(NOON + MINUTE, HELD)
        await tell(site.run(NOON + MINUTE))

    ((first, headers, body),) = server.requests
    assert (first, headers["content-type"]) == ("POST /feed HTTP/1.1", "application/json")
    at = str(int((NOON + MINUTE).timestamp()))
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (f"{at}-1-1", at)
    content = f"{at}-1-1.{at}.".encode() + body
    wanted = base64.b64encode(hmac.new(b"Open Sesame", content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    said = json.loads(body)
    assert (said["type"], said["timestamp"], said["data"]["notices"]) == ("alerts", "2026-03-02T12:01:00Z", [1])
    (alert,) = said["data"]["alerts"]
    assert {name: alert[name] for name in ("change", "kind", "account", "severity", "times", "first_seen_at")} == {
        "change": "opened",
        "kind": "held",
        "account": "lr",
        "severity": "critical",
        "times": 1,
        "first_seen_at": "2026-03-02T12:00:00Z",
    }
    assert "sellerd reload" in alert["fix"]


def test_a_secret_in_the_form_of_standard_webhooks_stands_for_its_bytes() -> None:
    # The example of the specification's own libraries.
    secret, message = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    headers = signed(secret, message, datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert "webhook-signature" not in signed("", message, NOON, b"")


async def test_the_end_is_told_once(store: Store) -> None:
    async with both(store) as (site, inbox, server):
        await site.see(NOON, HELD)
        await site.see(NOON + MINUTE, HELD)
        for minute in range(2, 40):
            await site.see(NOON + minute * MINUTE)
            await tell(site.run(NOON + minute * MINUTE))

    assert [got["Subject"] for got in inbox.mails] == [
        "[sellerd] CRITICAL: lr needs a person: the password was refused",
        "[sellerd] resolved: lr needs a person: the password was refused",
    ]
    assert [json.loads(body)["data"]["alerts"][0]["change"] for _, _, body in server.requests] == ["opened", "resolved"]


async def test_a_mail_server_that_fails_keeps_the_webhook_from_nothing(store: Store) -> None:
    async with both(store) as (site, inbox, server):
        inbox.answers["MAIL"] = "451 try later"
        await site.see(NOON, HELD)
        await site.see(NOON + MINUTE, HELD)
        with pytest.raises(NotTold, match="mail: 127.0.0.1:.*451 try later"):
            await tell(site.run(NOON + MINUTE))
        assert len(server.requests) == 1
        # Not before its time, and then it arrives.
        assert (await tell(site.run(NOON + MINUTE + timedelta(seconds=59)))).done == 0
        inbox.answers.clear()
        assert (await tell(site.run(NOON + 2 * MINUTE))).done == 1
        assert (await tell(site.run(NOON + DAY))).done == 0

    assert (len(inbox.mails), len(server.requests)) == (1, 1)


async def test_what_gathered_while_the_mail_server_was_down_is_one_mail_of_how_it_is_now(store: Store) -> None:
    async with mail_server() as inbox:
        inbox.answers["EHLO"] = inbox.answers["HELO"] = "hang up"
        site = Site(store, mail=mail(inbox.port))
        for minute in range(120):
            causes = [HELD, SILENT] if minute < 60 else [HELD]
            await site.see(NOON + minute * MINUTE, *causes)
            try:
                await tell(site.run(NOON + minute * MINUTE))
            except NotTold:
                continue
        assert (await store.alerts.backlog(NOON + 2 * HOUR))["mail"].notices == 2
        inbox.answers.clear()
        assert (await tell(site.run(NOON + 5 * HOUR))).done == 2

    # Rarely asked while it was down, and told once.
    assert inbox.connections < 20
    (got,) = inbox.mails
    assert got["Subject"] == "[sellerd] CRITICAL: lr needs a person: the password was refused (+ 1 resolved)"
    assert "NEW · critical · no success" not in got.get_content()


async def test_the_same_notice_sent_again_has_the_same_name(store: Store) -> None:
    async with mail_server() as inbox:
        site = Site(store, mail=mail(inbox.port))
        await site.see(NOON, HELD)
        await site.see(NOON + MINUTE, HELD)
        inbox.answers["."] = "451 disk full, try later"
        for minute in (1, 2):
            with pytest.raises(NotTold):
                await tell(site.run(NOON + minute * MINUTE))
        inbox.answers.clear()
        notices = await store.alerts.waiting("mail", NOON + HOUR)
        await tell(site.run(NOON + HOUR))

    (got,) = inbox.mails
    assert got["Message-ID"] == f"<sellerd-{int((NOON + MINUTE).timestamp())}-{notices[0].id}-1@seller.example>"


async def test_nothing_waits_for_a_way_that_is_configured_no_more(store: Store) -> None:
    async with both(store) as (site, inbox, server):
        await site.see(NOON, HELD)
        await site.see(NOON + MINUTE, HELD)
        await tell(Site(store, webhook=hook(server)).run(NOON + MINUTE))
        await tell(site.run(NOON + HOUR))

    assert (inbox.mails, len(server.requests)) == ([], 1)


async def test_a_test_says_of_each_way_whether_it_works(store: Store) -> None:
    async with both(store) as (site, inbox, server):
        assert await try_ways(site.config.alerts, moment(NOON)) == {"mail": "", "webhook": ""}
        server.answer = BROKEN
        inbox.answers["RCPT"] = "550 nobody here"
        told = await try_ways(site.config.alerts, moment(NOON))

    assert inbox.mails[0]["Subject"] == "[sellerd] WARNING: This is a test: alerts of sellerd arrive here."
    assert (told["webhook"], "550 nobody here" in told["mail"]) == ("the webhook answered with status 500", True)


async def test_the_last_words_go_out_by_every_way_that_works(store: Store) -> None:
    async with both(store) as (site, inbox, server):
        inbox.answers["MAIL"] = "451 try later"
        await last_words(site.config.alerts, "disk I/O error", NOON)

    assert inbox.mails == []
    (alert,) = json.loads(server.requests[0][2])["data"]["alerts"]
    assert alert["text"] == "The daemon ends because its storage failed: disk I/O error"


async def test_the_ping_is_sent_while_the_daemon_is_well_and_only_then(store: Store) -> None:
    async with serving(EMPTY) as server:
        site = Site(store, ping=hook(server))
        assert (await ping(site.run(NOON))).done == 0
        await store.alerts.well(NOON)
        assert (await ping(site.run(NOON + 2 * MINUTE))).done == 1
        assert (await ping(site.run(NOON + 2 * MINUTE + timedelta(seconds=1)))).done == 0
        assert (await ping(site.run(NOON - MINUTE))).done == 0

    assert [first for first, _, _ in server.requests] == ["GET /feed HTTP/1.1"]


async def test_a_ping_that_is_turned_down_is_a_failure(store: Store) -> None:
    await store.alerts.well(NOON)
    async with serving(BROKEN) as server:
        with pytest.raises(Exception, match="the ping was answered with status 500"):
            await ping(Site(store, ping=hook(server)).run(NOON))


def entry(number: int, change: str, severity: str = "warning") -> Mapping[str, object]:
    return {"id": number, "change": change, "severity": severity, "text": f"number {number}", "kind": "disk"}


def test_messages_of_several_notices_say_the_last_of_each_alert() -> None:
    notices = [
        Notice(1, NOON, (entry(1, "opened"), entry(2, "opened", "critical"))),
        Notice(2, NOON, (entry(1, "resolved"), entry(3, "opened"))),
    ]

    said = merged(notices)

    assert [(each["id"], each["change"]) for each in said] == [(2, "opened"), (3, "opened"), (1, "resolved")]
    assert subject(said) == "[sellerd] CRITICAL: number 2 (+ 1 more, 1 resolved)"
    assert subject([entry(1, "resolved"), entry(2, "resolved")]) == "[sellerd] 2 resolved: number 1, …"
