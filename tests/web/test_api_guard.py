"""The change guard over the control interface, and on the command line."""

import os
from collections.abc import AsyncIterator

import pytest

from daemon.model import AccountName, Moment, Sku
from daemon.store import Store
from daemon.store.database import Database
from daemon.transports.http import ControlClient
from daemon.web.api import control_app
from daemon.web.serve import user_name
from tests.store.conftest import NOON, database  # noqa: F401 - a fixture
from tests.store.test_guard import Scene, skus
from tests.web.standins import UnaskedDaemon, ask

ME = user_name(os.getuid())


@pytest.fixture
async def scene(database: Database) -> Scene:  # noqa: F811 - the fixture above
    scene = Scene(Store(database))
    await scene.start()
    await scene.price(skus(0, 1, 2), 10)
    assert await scene.go() == {}
    return scene


@pytest.fixture
async def client(scene: Scene) -> AsyncIterator[ControlClient]:
    def clocks() -> Moment:
        return Moment(NOON + scene.now, "boot-1", 1_000_000_000, synchronised=True)

    async with ControlClient.over_app(control_app(UnaskedDaemon(scene.store), clocks, "here")) as client:
        yield client


async def test_a_case_is_seen_and_decided_in_part(client: ControlClient, scene: Scene) -> None:
    (case,) = (await ask(client, "GET", "guard"))["cases"]
    assert (case["rule"], case["held"], case["account"]) == ("price_fall", 3, "redoute")
    assert (await ask(client, "GET", "guard", account="lewis"))["cases"] == []

    page = await ask(client, "GET", f"guard/{case['id']}", limit="2")
    assert [(hold["sku"], hold["was"], hold["becomes"]) for hold in page["holds"]] == [
        ("S00", 10000, 1000),
        ("S01", 10000, 1000),
    ]
    page = await ask(client, "GET", f"guard/{case['id']}", after=str(page["next"]))
    assert ([hold["sku"] for hold in page["holds"]], page["next"]) == (["S02"], None)

    here = f"guard/{case['id']}"
    assert (await ask(client, "POST", f"{here}/approve", {"skus": ["S00"], "why": "a sale"}))["approved"] == 1
    assert (await ask(client, "POST", f"{here}/reject", {"skus": ["S01"]}))["rejected"] == 1
    assert (await scene.go()).keys() == {"S00"}
    listing = await scene.store.views.listing(AccountName("redoute"), Sku("S02"))
    assert listing is not None
    assert (listing["parts"]["price"]["state"], listing["held"]) == ("pending", ["price"])
    holds = (await ask(client, "GET", here))["holds"]
    assert [(hold["state"], hold["decided_by"], hold["decided_why"]) for hold in holds] == [
        ("left", ME, "a sale"),
        ("rejected", ME, ""),
        ("held", "", ""),
    ]
    # Everything that a person decided stands in the account's own timeline as well.
    events = await scene.store.database.read(
        lambda db: db.execute("SELECT \"to\", why FROM events WHERE subject = 'account' ORDER BY id").fetchall()
    )
    assert [tuple(row) for row in events] == [
        ("approved", f"1 parts (price_fall) by {ME}: a sale"),
        ("rejected", f"1 parts (price_fall) by {ME}: "),
    ]


async def test_what_cannot_be_decided_is_a_problem(client: ControlClient) -> None:
    (case,) = (await ask(client, "GET", "guard"))["cases"]
    here = f"guard/{case['id']}"
    assert "does not hold S09" in (await ask(client, "POST", f"{here}/approve", {"skus": ["S09"]}, 409))["detail"]
    await ask(client, "POST", f"{here}/approve", {"skus": []}, 422)
    assert "there is no case 4711" in (await ask(client, "POST", "guard/4711/reject", {}, 409))["detail"]
    await ask(client, "GET", "guard/4711", status=404)
    await ask(client, "POST", f"{here}/approve", {})
    assert (await ask(client, "GET", "guard"))["cases"] == []
    assert [each["id"] for each in (await ask(client, "GET", "guard", closed="true"))["cases"]] == [case["id"]]
