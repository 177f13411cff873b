"""`sellerd accounts check --uat`: test orders walked through the test tree of a real SFTP server, step by step."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from daemon.config import load
from daemon.jobs import Job, Run
from daemon.jobs.claims import read_claims
from daemon.jobs.feeds import send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_refunds, send_updates
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import AccountName, Item, Moment, OrderNumber, Parcel, Sku, UpdateKind
from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings
from daemon.settings import AccountSettings
from daemon.store import Store, open_store
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow
from tests.cli.conftest import Say, answer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAME = AccountName("lewis-uat")
Steps = dict[str, dict[str, Any]]


@pytest.fixture
def sandbox(portal: BlockingPortal, config_path: Path, tmp_path: Path) -> Iterator[Sandbox]:
    settings = SandboxSettings(
        root=tmp_path / "sandbox",
        laredoute=LaRedouteSettings(delay=None),
        johnlewis=JohnLewisSettings(poll_every=None, known_parts=frozenset({"12345678", "87654321"})),
    )
    with portal.wrap_async_context_manager(Sandbox(settings)) as sandbox:
        sftp = sandbox.describe()["johnlewis"]["sftp"]
        (tmp_path / "password").write_text(sftp["password"])
        (tmp_path / "password").chmod(0o600)
        login = f"""
[accounts.{{}}.sftp]
host = "{sftp["host"]}"
port = {sftp["port"]}
user = "{sftp["user"]}"
password = {{{{ file = "password" }}}}
"""
        trusting = f'{login}host_keys = ["{sftp["host_key"]}"]\n'
        texts = ['[daemon]\nstate_dir = "state"\n']
        for name, environment, form in (
            (NAME, "uat", trusting),
            ("lewis-live", "live", login),
            ("lewis-open", "uat", login),
        ):
            texts.append(
                f'[accounts.{name}]\nmarketplace = "johnlewis"\nenvironment = "{environment}"\n'
                f"standard_delivery_days = 3\n{form.format(name)}"
            )
        config_path.write_text("".join(texts))
        yield sandbox


class Seller:
    """The daemon's store and its turns, at literal times."""

    def __init__(self, portal: BlockingPortal, store: Store, account: AccountSettings, sandbox: Sandbox) -> None:
        self._portal = portal
        self._store = store
        self._account = account
        self._sandbox = sandbox
        self.passed = timedelta()

    def turns(self, *jobs: Job) -> None:
        """One turn of each job a minute, then the far side's answer, then time enough for silence to be a yes."""

        async def work() -> None:
            way = DIALECTS["edge"].open(self._account, {})
            for job in jobs:
                self.passed += MINUTE
                now = Moment(NOON + self.passed, "boot-1", self.passed // timedelta(microseconds=1), synchronised=True)
                await job(Run(self._account, now, self._store, way, lambda now=now: now))  # type: ignore[misc]
            await way.aclose()
            await self._sandbox.johnlewis.work_now()

        self._portal.call(work)
        self.passed += 31 * MINUTE

    def decides(self, number: str, kind: UpdateKind, units: Sequence[tuple[str, int]] | None) -> None:
        parcel = Parcel("dpd", f"1550{self.passed.seconds}", "", NOON) if kind is UpdateKind.DISPATCH else None

        async def work() -> None:
            await self._store.updates.open(
                *(NAME, OrderNumber(number), kind, units),
                legal_moves=self._account.legal_moves,
                at=NOON + self.passed,
                parcel=parcel,
            )

        self._portal.call(work)

    def lists(self, stock_number: str) -> None:
        sku = Sku(f"SKU-{stock_number}")

        async def work() -> None:
            row = ItemRow(sku, Item(), channel_item_id=stock_number)
            await self._store.listings.put_items(NAME, [row], NOON + self.passed, [""], item_feed=False)
            await self._store.listings.put_stock(NAME, Figures({sku: 5}), NOON + self.passed)

        self._portal.call(work)


@pytest.fixture
def seller(portal: BlockingPortal, config_path: Path, sandbox: Sandbox) -> Iterator[Seller]:
    config = load(config_path)
    config.database.parent.mkdir(exist_ok=True)
    with portal.wrap_async_context_manager(open_store(config.database)) as store:
        account = config.accounts[NAME]
        portal.call(store.accounts.configure, NAME, account.marketplace, "", NOON)
        yield Seller(portal, store, account, sandbox)


def rehearsal(say: Say) -> Steps:
    result = say("accounts", "check", NAME, "--uat", "--json")
    return {step["name"]: step for step in answer(result)["steps"]}


def a_minute_passes(sandbox: Sandbox) -> None:
    """What lies in the folder was written a minute earlier than it was: the second in which it was is over."""
    for path in (sandbox.johnlewis.files / "uat" / "incoming").iterdir():
        written = path.stat().st_mtime - 60
        os.utime(path, (written, written))


def states(steps: Steps) -> dict[str, str]:
    return {name: step["state"] for name, step in steps.items()}


def test_a_rehearsal_begins_before_the_daemon_ever_ran(say: Say, sandbox: Sandbox) -> None:  # J5
    steps = rehearsal(say)
    assert steps["folders"]["found"].startswith("/uat/incoming holds 0 files; /uat/outgoing holds 0 files")
    assert (steps["order seen"]["state"], steps["order seen"]["next"]) == (
        "todo",
        "ask the marketplace to place a test order of two lines, one of them of two units or more",
    )
    assert states(steps)["acknowledged"] == "later"
    placed = sandbox.johnlewis.place_order("12345678", 2, environment="uat")
    a_minute_passes(sandbox)
    steps = rehearsal(say)
    assert states(steps)["order seen"] == "proven"
    assert steps["order read"]["found"] == f"order {placed.number} can be read: 1 lines; it is not kept yet"
    assert steps["order read"]["next"] == "let it be fetched: sellerd jobs run orders --account lewis-uat"
    # It only looks: the file and its marker lie where they lay.
    assert len(list((sandbox.johnlewis.files / "uat" / "incoming").iterdir())) == 2


def test_a_rehearsal_is_walked_to_its_end(say: Say, sandbox: Sandbox, seller: Seller) -> None:  # J7 J8 J9 J10 J13
    edge = sandbox.johnlewis
    first = edge.place_order("12345678", 3, ("87654321", 1), environment="uat").number
    second = edge.place_order("12345678", 2, environment="uat").number
    seller.turns(download_orders, send_updates)
    steps = rehearsal(say)
    assert steps["order read"]["found"] == f"order {first}: 2 lines, 4 units, the checksum fits"
    assert (steps["acknowledged"]["state"], steps["acknowledged"]["next"]) == (
        "waiting",
        "silence for 30 minutes is a yes; look again then",
    )
    seller.turns(send_updates)
    steps = rehearsal(say)
    assert steps["acknowledged"]["state"] == "proven"
    assert steps["dispatched in part"]["next"] == (
        "dispatch some units of a test order: sellerd orders ship --account lewis-uat"
        f" {first} --line 1=1 --carrier CARRIER --tracking NUMBER"
    )

    seller.decides(first, UpdateKind.DISPATCH, [("1", 1)])
    seller.turns(send_updates)
    seller.turns(send_updates)
    steps = rehearsal(say)
    assert (steps["dispatched in part"]["state"], steps["dispatched whole"]["state"]) == ("proven", "todo")
    assert "1 of 4 units, nothing against it" in steps["dispatched in part"]["found"]

    seller.decides(first, UpdateKind.CANCELLATION, [("1", 1)])
    seller.turns(send_refunds)
    seller.turns(send_updates)
    seller.decides(first, UpdateKind.DISPATCH, None)
    seller.turns(send_updates)
    seller.turns(send_updates)
    assert states(rehearsal(say)) | {"cancelled": "proven", "dispatched whole": "proven"} == states(rehearsal(say))

    seller.decides(first, UpdateKind.REFUND, [("1", 1)])
    seller.turns(send_refunds)
    seller.turns(send_updates)
    seller.lists("12345678")
    seller.lists("11112222")
    seller.turns(send_offers)
    seller.turns(read_reports)
    edge.faults.add("reject_file", error="carrier unknown")
    seller.decides(second, UpdateKind.DISPATCH, [("1", 1)])
    seller.turns(send_updates)
    seller.turns(send_updates)
    edge.request_cancellation(second, {"1": 1})
    seller.turns(read_claims)
    steps = rehearsal(say)
    assert {name for name, step in steps.items() if step["state"] != "proven"} == {"request to cancel"}
    assert steps["request to cancel"]["next"] == "see: sellerd claims show 1"
    assert steps["stock error read"]["found"].endswith("1 listings rejected with their reasons")
    assert steps["update error read"]["found"].endswith(".err was matched to its update: carrier unknown")
    result = say("accounts", "check", NAME, "--uat")
    assert result.exit_code == 0
    assert "request to cancel (optional)\ttodo" in result.output
    # What is proven stays so: the whole way is in the store.
    assert answer(say("accounts", "check", NAME, "--uat", "--json"))["complete"] is True


def test_what_is_wrong_is_said_with_its_fix(say: Say, sandbox: Sandbox, seller: Seller) -> None:  # J6 J13
    sandbox.johnlewis.faults.add("wrong_checksum")
    sandbox.johnlewis.place_order("12345678", 2, environment="uat")
    a_minute_passes(sandbox)
    steps = rehearsal(say)
    assert "4 were read" in steps["order read"]["found"]
    seller.turns(download_orders)
    steps = rehearsal(say)
    assert (steps["order read"]["state"], "is incomplete" in steps["order read"]["found"]) == ("wrong", True)
    placed = sandbox.johnlewis.place_order("12345678", 2, environment="uat")
    sandbox.johnlewis.faults.add("reject_file", error="test_flag must be Y")
    seller.turns(download_orders, send_updates)
    seller.turns(send_updates)
    result = say("accounts", "check", NAME, "--uat", "--json")
    assert result.exit_code == 1
    step = {each["name"]: each for each in answer(result)["steps"]}["acknowledged"]
    assert "test_flag must be Y" in step["found"]
    assert step["next"] == f"mend that, then: sellerd orders resend --account lewis-uat {placed.number}"


def test_a_live_account_is_not_rehearsed(say: Say, sandbox: Sandbox) -> None:  # D3
    result = say("accounts", "check", "lewis-live", "--uat")
    assert result.exit_code == 1
    assert 'lewis-live is a live account: only one with environment = "uat" is rehearsed' in result.output


def test_an_account_that_cannot_connect_says_so_once(say: Say, sandbox: Sandbox) -> None:  # D10
    result = say("accounts", "check", "lewis-open", "--uat", "--json")
    assert result.exit_code == 1
    step = answer(result)["steps"][0]
    assert (step["state"], step["next"]) == (
        "wrong",
        "mend that: sellerd accounts check lewis-open --connect says more",
    )


def test_where_there_is_no_test_tree_nothing_is_rehearsed(say: Say, config_path: Path) -> None:  # D3
    result = say("accounts", "check", "redoute", "--uat")
    assert result.exit_code == 1
    assert "laredoute has no test tree" in result.output
