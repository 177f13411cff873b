"""Webhooks against receivers that are real HTTP servers: what they hear, how they are tried again, who waits for whom."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from daemon.alerting import WebhookTable
from daemon.config import Config
from daemon.errors import NotAllowed, Unreachable
from daemon.jobs import Outcome, SiteRun
from daemon.jobs.webhooks import tell_receivers
from daemon.model import (
    AccountName,
    Customer,
    Delivery,
    LineState,
    Moment,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
)
from daemon.rules.signing import signed
from daemon.rules.webhooks import RETRIES, TYPES, type_of
from daemon.seller.columns import ImportKind
from daemon.seller.imports import import_file
from daemon.settings import Secret
from daemon.store import Store, open_store
from daemon.store.webhooks import Wanted
from tests.cable import raw_server
from tests.seller.conftest import NOON, redoute
from tests.transports.test_http import read_request

LEWIS, REDOUTE = AccountName("lewis"), AccountName("redoute")
SECRET = "made up secret of the tests"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "sellerd.db") as opened:
        for name, marketplace in (("redoute", "laredoute"), ("lewis", "johnlewis")):
            await opened.accounts.configure(AccountName(name), marketplace, "", NOON)
        yield opened


def status(code: int) -> bytes:
    return f"HTTP/1.1 {code} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()


@dataclass
class Receiver:
    """Somebody who is told; he answers with `answers` in turn, the last one for ever, and nothing while he is deaf."""

    answers: list[bytes] = field(default_factory=lambda: [OK])
    deaf: bool = False
    heard: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    asked: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, headers, body = await read_request(reader)
        self.asked += 1
        if self.deaf:
            await asyncio.Event().wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.startswith(b"HTTP/1.1 2"):
            self.heard.append((headers, json.loads(body)))
        writer.write(answer.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
        await writer.drain()

    @property
    def types(self) -> list[str]:
        return [body["type"] for _, body in self.heard]


@asynccontextmanager
async def listening(*answers: bytes, deaf: bool = False) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(answers) or [OK], deaf)
    async with raw_server(receiver.serve) as port:
        receiver.url = f"http://127.0.0.1:{port}/hooks"
        yield receiver


def hook(name: str, url: str, **more: Any) -> WebhookTable:
    return WebhookTable.model_validate(
        {"name": name, "url": url, "secret": Secret(SECRET), "allow_private": True, **more}
    )


@dataclass
class Site:
    """The site at an instant that the test moves on."""

    store: Store
    hooks: tuple[WebhookTable, ...]
    at: datetime = NOON

    def clock(self) -> Moment:
        return Moment(self.at, "boot-1", 1_000_000_000, synchronised=True)

    async def turn(self) -> Outcome:
        with anyio.fail_after(60):
            return await tell_receivers(SiteRun(Config(webhooks=self.hooks), self.clock(), self.store, self.clock))


async def an_order(store: Store, number: str) -> None:
    order = Order(
        OrderNumber(number),
        (OrderLine("L1", 1, LineState.TO_SHIP),),
        shipping=Customer(name="A. Nobody", lines=("Made Up Lane 5",)),
    )
    file = RemoteFile("orders", f"{number}.txt", 3)
    await store.orders.keep(LEWIS, [Delivery(file, number.encode(), (order,))], NOON)


async def test_a_receiver_hears_what_happens_from_then_on_signed_and_without_names(store: Store) -> None:  # S3 D12
    await an_order(store, "O-0")
    async with listening() as receiver:
        site = Site(store, (hook("erp", receiver.url),))
        assert (await site.turn()).done == 0
        await an_order(store, "O/1")
        assert (await site.turn()).done == 1
        assert (await site.turn()).done == 0
    ((headers, body),) = receiver.heard
    assert body == {
        "type": "order.received",
        "timestamp": "2026-03-02T12:00:00.000Z",
        "data": {
            "account": "lewis",
            "order": "O/1",
            "link": "/api/v1/accounts/lewis/orders/O%2F1",
            "what": "received",
            "from": "",
            "to": "to_ship",
        },
    }
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
    content += json.dumps(body, separators=(",", ":")).encode()
    digest = hmac.new(SECRET.encode(), content, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert int(headers["webhook-timestamp"]) == int(NOON.timestamp())
    assert headers["content-type"] == "application/json"


def test_the_signature_is_that_of_standard_webhooks() -> None:  # S3
    # The example of the specification of Standard Webhooks.
    at = datetime.fromtimestamp(1_731_705_121, UTC)
    body = b'{"event_type":"ping","data":{"success":true}}'
    headers = signed("whsec_plJ3nmyCDGBKInavdOK15jsl", "msg_loFOjxBNrRLzqYUf", at, body)
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


async def test_a_receiver_hears_only_what_he_asked_for(store: Store) -> None:  # S3
    async with listening() as orders, listening() as french, listening() as asleep:
        site = Site(
            store,
            (
                hook("orders", orders.url, events=["order.received"]),
                hook("french", french.url, accounts=["redoute"]),
                hook("asleep", asleep.url, active=False),
            ),
        )
        await site.turn()
        await an_order(store, "O-1")
        await store.accounts.hold(REDOUTE, "the login was refused", NOON)
        content = BytesIO(b"sku,title\nLAMP-1,x\n")
        await import_file(store, redoute(), ImportKind.LISTINGS, content, NOON)
        await site.turn()
    assert orders.types == ["order.received"]
    assert french.types == ["account.held", "listing.error"]
    assert "login" not in json.dumps(french.heard)
    assert asleep.asked == 0


async def test_a_dead_receiver_delays_no_other_and_hears_everything_once_he_is_back(store: Store) -> None:  # S3
    async with listening() as well, listening(status(500)) as ill:
        site = Site(store, (hook("ill", ill.url), hook("well", well.url)))
        await site.turn()
        for number in range(3):
            await an_order(store, f"O-{number}")
        with pytest.raises(Unreachable, match="ill: answered with status 500"):
            await site.turn()
        assert (len(well.heard), ill.asked) == (3, 1)
        await an_order(store, "O-3")
        # He is left alone for longer and longer; meanwhile his messages wait together.
        for _ in range(4):
            site.at += timedelta(seconds=1)
            with pytest.raises(Unreachable):
                await site.turn()
        assert (len(well.heard), ill.asked) == (4, 1)
        ill.answers = [OK]
        site.at += timedelta(minutes=10)
        await site.turn()
        assert [body["data"]["order"] for _, body in ill.heard] == ["O-0", "O-1", "O-2", "O-3"]
    (found, _) = await store.webhooks.receivers()
    assert (found["delivered"], found["pending"], found["failing_since"]) == (4, 0, None)


async def test_a_receiver_who_hangs_does_not_keep_others_from_what_happens_meanwhile(store: Store) -> None:  # S3
    async with listening() as well, listening(deaf=True) as deaf:
        site = Site(store, (hook("deaf", deaf.url), hook("well", well.url)))
        await site.turn()
        await an_order(store, "O-0")
        with anyio.fail_after(50):
            async with anyio.create_task_group() as group:

                async def turn() -> None:
                    with pytest.raises(Unreachable, match="deaf"):
                        await site.turn()

                group.start_soon(turn)
                while not (deaf.asked and well.heard):
                    await anyio.sleep(0.01)
                await an_order(store, "O-1")
                while len(well.heard) < 2:
                    await anyio.sleep(0.01)
                # The other one is still being waited for.
                assert deaf.asked == 1
                group.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (status(302).replace(b"\r\n\r\n", b"\r\nlocation: http://127.0.0.1:1/\r\n\r\n"), "redirect"),
        (status(401), "access was refused with status 401"),
        (b"no HTTP at all\r\n\r\n", "may have arrived"),
    ],
)
async def test_redirects_and_nonsense_are_failures_like_others(store: Store, answer: bytes, told: str) -> None:  # S3
    async with listening(answer) as receiver:
        site = Site(store, (hook("erp", receiver.url),))
        await site.turn()
        await an_order(store, "O-1")
        with pytest.raises(Unreachable, match=told):
            await site.turn()
    (message,) = await store.webhooks.messages("erp")
    assert (message["state"], message["attempts"]) == ("pending", 1)


async def test_a_message_that_is_turned_down_blocks_none_behind_it(store: Store) -> None:  # S3
    async with listening(status(400), OK) as receiver:
        site = Site(store, (hook("erp", receiver.url),))
        await site.turn()
        await an_order(store, "O-1")
        await an_order(store, "O-2")
        assert (await site.turn()).done == 1
        assert [body["data"]["order"] for _, body in receiver.heard] == ["O-2"]
        site.at += RETRIES[0]
        await site.turn()
        assert [body["data"]["order"] for _, body in receiver.heard] == ["O-2", "O-1"]


async def test_tries_end_after_some_days_and_gone_ends_them_at_once(store: Store) -> None:  # S3
    async with listening(status(410)) as gone, listening(status(500)) as ill:
        site = Site(store, (hook("gone", gone.url), hook("ill", ill.url)))
        await site.turn()
        await an_order(store, "O-1")
        for _ in range(40):
            with pytest.raises(Unreachable):
                await site.turn()
            site.at += timedelta(hours=12)
        assert gone.asked == 1
        assert ill.asked == len(RETRIES) + 1
    assert [each["state"] for each in await store.webhooks.messages("ill")] == ["given_up"]
    assert await store.webhooks.prune(NOON + timedelta(days=60)) == 2


async def test_everything_since_an_instant_is_told_once_more_by_the_same_ids(store: Store) -> None:  # S3
    async with listening() as receiver:
        site = Site(store, (hook("erp", receiver.url),))
        with pytest.raises(NotAllowed, match="never told anything"):
            await store.webhooks.replay("erp", NOON, NOON)
        await an_order(store, "O-0")
        await site.turn()
        await an_order(store, "O-1")
        await site.turn()
        assert await store.webhooks.replay("erp", NOON + timedelta(days=1), site.at) == 0
        # He hears of what was before his time too.
        assert await store.webhooks.replay("erp", NOON, site.at) == 2
        await site.turn()
    assert [body["data"]["order"] for _, body in receiver.heard] == ["O-1", "O-0", "O-1"]
    ids = [headers["webhook-id"] for headers, _ in receiver.heard]
    assert ids[0] == ids[2] != ids[1]


async def test_a_receiver_who_was_away_for_long_begins_anew(store: Store) -> None:  # S3
    async with listening() as receiver:
        site = Site(store, (hook("erp", receiver.url),))
        await site.turn()
        await an_order(store, "O-1")
        site.at += timedelta(days=4)
        assert (await site.turn()).done == 0
        await an_order(store, "O-2")
        assert (await site.turn()).done == 1


async def test_an_address_inside_is_never_asked_unless_it_is_allowed(store: Store) -> None:  # S3
    with pytest.raises(ValidationError, match="url must begin with https://"):
        hook("erp", "http://127.0.0.1:1/", allow_private=False)
    site = Site(store, (hook("erp", "https://127.0.0.1:1/", allow_private=False),))
    await site.turn()
    await an_order(store, "O-1")
    with pytest.raises(Unreachable, match="not on the public internet"):
        await site.turn()


def test_secrets_and_events_are_checked_when_they_are_read() -> None:  # D3
    for secret, words in (("short", "shorter than 16 bytes"), ("whsec_%%%", "not base64")):
        with pytest.raises(ValidationError, match=words):
            hook("erp", "https://hooks.example.test/", secret=Secret(secret))
    with pytest.raises(ValidationError, match=r"did you mean order\.received\?"):
        hook("erp", "https://hooks.example.test/", events=["order.recieved"])


async def test_events_are_heard_of_after_the_record_has_forgotten_all_before(store: Store) -> None:  # S3
    await an_order(store, "O-1")
    await store.webhooks.collect(Wanted("erp"), NOON)
    await store.database.write(lambda db: db.execute("DELETE FROM events").rowcount)
    assert await store.webhooks.collect(Wanted("erp"), NOON) == 0
    await an_order(store, "O-2")
    assert await store.webhooks.collect(Wanted("erp"), NOON) == 1
    assert [each["payload"]["data"]["order"] for each in await store.webhooks.messages("erp")] == ["O-2"]


async def test_a_catalogue_of_events_is_passed_over_in_portions(store: Store) -> None:  # S3
    await store.webhooks.collect(Wanted("erp"), NOON)
    row = "(1, 'redoute', 'listing', 1, 'item feed 1', 'pending', 'sent', '')"
    sql = f'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why) VALUES {row}'
    await store.database.write(lambda db: [db.execute(sql) for _ in range(7_000)] and None)
    await an_order(store, "O-1")
    looked = []
    while found := await store.webhooks.collect(Wanted("erp"), NOON):
        looked.append(found)
    assert looked == [5_000, 2_001]
    assert [each["type"] for each in await store.webhooks.messages("erp")] == ["order.received"]


def test_every_type_of_message_comes_of_an_event() -> None:  # S3
    events = [
        *(
            ("order", "received", "to_ship", ""),
            ("order", "received", "", "2 of 3 lines"),
            ("order", "line L1", "x", ""),
        ),
        *(("order", "completed", "to_ship", ""), ("order", "dispatch", "failed", "no")),
        *(
            ("listing", "imported", "", "no photo"),
            ("listing", "item feed 3", "rejected", ""),
            ("listing", "x", "blocked", ""),
        ),
        *(("feed", "moved", state, "") for state in ("answered", "refused", "in_doubt", "lapsed")),
        *(("account", what, "", "") for what in ("held", "released")),
    ]
    assert {type_of(*event) for event in events} == set(TYPES)
    for quiet in (
        ("listing", "stock", "5", ""),
        ("feed", "sent", "sent", ""),
        ("listing", "imported", "", ""),
        ("x",) * 4,
    ):
        assert type_of(*quiet) == ""
