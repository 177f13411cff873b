"""A retailer that nobody has heard of, added by a configuration file alone, through a sandbox that holds it to that."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.config import load
from daemon.jobs.feeds import send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import AccountName, Item, OrderNumber, Parcel, Sku, UpdateKind
from daemon.sandbox import EdgeFolders, JohnLewisSettings, Sandbox, SandboxSettings
from daemon.store import open_store
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow
from tests.jobs.scene import HOUR, MINUTE, NOON, Scene, scene

PART = "HN-4711/A"
CONFIG = """
[profiles.harbour]
currency = "AUD"
time_zone = "Australia/Sydney"
city_column = "shipping_address_2"
standard_delivery_days = 5
wait_for_marker = false
root = "/live/au"

[profiles.harbour.paths]
order_download = "orders/new"
order_acknowledge = "replies"
order_shipment = "replies"
stock_update = "stock"
stock_update_error = "stock-errors"
update_errors = ["replies"]

[profiles.harbour.stock]
marker = true
columns = [
  "part_number",
  {{ name = "supplier_free_stock", field = "free_stock" }},
  {{ name = "allocated_stock", text = "0" }},
  "back_in_stock_date",
]

[profiles.harbour.updates]
marker = false
shipments = "cumulative"
supplier_ref = "SHOP"
sub_status = "Order Acknowledged"
fulfillment_route = "Drop Ship"

[profiles.harbour.calendar]
holidays = "AU-NSW"
working_days = ["mon", "tue", "wed", "thu", "fri"]

[accounts.harbour-au]
marketplace = "Harbour & Sons"
profile = "harbour"
carriers = {{ "Post" = "AUSPOST" }}

[accounts.harbour-au.sftp]
host = "{host}"
port = {port}
user = "{user}"
password = {{ file = "secret" }}
host_keys = ["{host_key}"]
"""

THERE = JohnLewisSettings(
    poll_every=None,
    shipments="cumulative",
    stock_columns=("part_number", "supplier_free_stock", "allocated_stock", "back_in_stock_date"),
    carriers=frozenset({"AUSPOST"}),
    folders=EdgeFolders("au/orders/new", "au/replies", "au/stock", "au/stock-errors"),
    order_marker=False,
    update_marker=False,
    stock_marker=True,
    part_form="HN-[0-9]{4}/[A-Z]",
    constants={"sub_status": "Order Acknowledged", "fulfillment_route": "Drop Ship"},
)


@pytest.fixture
async def harbour(tmp_path: Path) -> AsyncIterator[Scene]:
    async with (
        Sandbox(SandboxSettings(tmp_path / "sandbox", johnlewis=THERE)) as sandbox,
        open_store(tmp_path / "sellerd.db") as store,
    ):
        login = sandbox.describe()["johnlewis"]["sftp"]
        secret = tmp_path / "secret"
        secret.write_text(login["password"])
        secret.chmod(0o600)
        config = tmp_path / "config.toml"
        config.write_text(CONFIG.format(**login), "utf-8")
        name = AccountName("harbour-au")
        account = load(config).accounts[name]
        await store.accounts.configure(name, account.marketplace, "fingerprint", NOON, account.deadlines)
        marketplace = DIALECTS[account.speaks].open(account, {})
        try:
            yield Scene(sandbox, store, account, marketplace)
        finally:
            await marketplace.aclose()


async def receive(harbour: Scene) -> None:
    """Two turns: without markers a file must have stood still."""
    assert (await harbour.turn(download_orders, MINUTE)).done == 0
    assert (await harbour.turn(download_orders, 2 * MINUTE)).done == 1


async def ship(harbour: Scene, number: str, units: int, at: int) -> None:
    parcel = Parcel("post", f"PARCEL-{at}", "", NOON + at * MINUTE)
    await harbour.store.updates.open(
        *(harbour.name, OrderNumber(number), UpdateKind.DISPATCH, [("1", units)]),
        legal_moves=harbour.account.legal_moves,
        at=NOON + at * MINUTE,
        parcel=parcel,
    )


async def test_stock_goes_out_in_the_retailers_own_columns_with_a_marker(harbour: Scene) -> None:  # J15 J3 J4
    rows = [ItemRow(Sku("LAMP-1"), Item(), channel_item_id=PART), ItemRow(Sku("RUG-1"), Item(), channel_item_id="HN-1")]
    await harbour.store.listings.put_items(harbour.name, rows, NOON, ["", ""], item_feed=False)
    await harbour.store.listings.put_stock(harbour.name, Figures({"LAMP-1": 7, "RUG-1": 1}), NOON)
    assert (await harbour.turn(send_offers, MINUTE)).done == 2
    there = harbour.sandbox.johnlewis
    assert sorted(path.suffix for path in (there.files / "live/au/stock").glob("*.*")) == [".DONE", ".csv"]
    await harbour.answer()
    assert there.stock[PART].values == {
        "part_number": PART,
        "supplier_free_stock": "7",
        "allocated_stock": "0",
        "back_in_stock_date": "",
    }
    await harbour.turn(read_reports, 2 * MINUTE)
    assert dict(await harbour.all("listings", "sku", "stock_error"))["RUG-1"] == (
        "part_number is not of the form HN-[0-9]{4}/[A-Z]"
    )


async def test_an_order_runs_from_its_file_to_its_second_parcel(harbour: Scene) -> None:  # J15 J5 J7 J8
    there = harbour.sandbox.johnlewis
    placed = there.place_order(PART, 3)
    await receive(harbour)
    order = await harbour.store.views.order(harbour.name, OrderNumber(placed.number), personal=True)
    assert order is not None
    assert (there.files / "live/au/orders/new/processed" / placed.file_name).exists()

    assert (await harbour.turn(send_updates, 3 * MINUTE)).done == 1
    assert not list((there.files / "live/au/replies").glob("*.DONE"))
    await harbour.answer()
    assert there.arrivals[-1].outcome == "accepted"
    # It is Monday in Sydney still; Tuesday it leaves, and a week later it is there.
    assert b'"Drop Ship"' in there.arrivals[-1].content
    assert b'"2026-03-03","2026-03-10"' in there.arrivals[-1].content

    await ship(harbour, placed.number, 1, 40)
    await harbour.turn(send_updates, 41 * MINUTE)
    await harbour.answer()
    await ship(harbour, placed.number, 2, 80)
    await harbour.turn(send_updates, 2 * HOUR)
    await harbour.answer()
    assert [arrival.outcome for arrival in there.arrivals] == ["accepted"] * 3
    # Cumulative: the second file repeats the first parcel.
    assert there.arrivals[-1].content.count(b'"AUSPOST"') == 2
    assert there.orders[placed.number].state == "dispatched"


async def test_a_refusal_without_a_marker_is_read_where_the_retailer_leaves_it(harbour: Scene) -> None:  # J15 J13
    there = harbour.sandbox.johnlewis
    there.faults.add("reject_file", error="unknown supplier")
    there.place_order(PART, 1)
    await receive(harbour)
    await harbour.turn(send_updates, 3 * MINUTE)
    await harbour.answer()
    await harbour.turn(send_updates, 5 * MINUTE)
    ((state, error),) = await harbour.all("order_updates", "state", "error")
    assert state == "failed"
    assert "unknown supplier" in error


async def test_an_update_that_was_cut_is_found_without_a_marker(harbour: Scene) -> None:  # J15
    there = harbour.sandbox.johnlewis
    there.place_order(PART, 1)
    await receive(harbour)
    await harbour.turn(send_updates, 3 * MINUTE)
    await harbour.store.database.write(
        lambda db: db.execute("UPDATE order_updates SET state = 'in_doubt', sent_at = NULL").rowcount
    )
    await harbour.turn(send_updates, 4 * MINUTE)
    assert await harbour.all("order_updates", "state") == [("sent",)]


async def test_an_order_without_a_marker_is_not_read_while_it_is_written(harbour: Scene) -> None:  # J15 D9
    there = harbour.sandbox.johnlewis
    placed = there.place_order(PART, 1)
    file = there.files / "live/au/orders/new" / placed.file_name
    file.write_bytes(placed.content[:100])
    await harbour.turn(download_orders, MINUTE)
    file.write_bytes(placed.content)
    assert (await harbour.turn(download_orders, 2 * MINUTE)).done == 0
    assert (await harbour.turn(download_orders, 3 * MINUTE)).done == 1
    assert await harbour.all("orders", "incomplete") == [("",)]


ARGOS = JohnLewisSettings(
    shipments="cumulative",
    stock_columns=("part_number", "current_lead_time_to_delivery_in_days", "free_stock"),
    part_form="[0-9]{3}/[0-9]{4}",
)


async def test_argos_is_shipped(tmp_path: Path) -> None:  # J15 J8
    async with scene(tmp_path, "edge", johnlewis=ARGOS, marketplace="argos", name="argos-gb") as argos:
        await argos.want(stock_number="123/4567", stock=4)
        assert (await argos.turn(send_offers, MINUTE)).done == 1
        there = argos.sandbox.johnlewis
        placed = there.place_order("123/4567", 2)
        await argos.turn(download_orders, 2 * MINUTE)
        await argos.turn(send_updates, 3 * MINUTE)
        await argos.answer()
        assert there.stock["123/4567"].free == 4
        assert b'"N"' in there.arrivals[0].content
        for at in (40, 80):
            await ship(argos, placed.number, 1, at)
            await argos.turn(send_updates, (at + 1) * MINUTE)
            await argos.answer()
        assert {arrival.outcome for arrival in there.arrivals} == {"accepted"}
        assert there.orders[placed.number].state == "dispatched"
