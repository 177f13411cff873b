"""Killed without warning at the worst moments, again and again, the daemon keeps its promises to the marketplaces.

What is counted is what the far sides recorded, never our own tables (promises P1, P7, P15).
"""

import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Literal

import anyio
import pytest

from daemon.model import AccountName, Item, Money, Photo, Sku
from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings
from daemon.store import open_store, read_store
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow, PriceRow
from tests.jobs.scene import NOON
from tests.test_daemon_process import Site

pytestmark = pytest.mark.slow

INTERVAL = 2.0
EANS = {"LAMP-1": "3701234567891", "LAMP-2": "3701234567884"}
PARTS = {"CHAIR-1": "12345678", "CHAIR-2": "87654321"}
FAST = 'offers = "1s", reports = "1s", orders = "1s", updates = "1s"'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def accounts(sandbox: Sandbox, redoute_every: str = "", lewis_every: str = "", answer_wait: str = "1s") -> str:
    """Both accounts; `…_every` adds to how often the jobs of one come."""
    told = sandbox.describe()
    redoute, lewis = told["laredoute"], told["johnlewis"]

    def sftp(side: dict[str, str], variable: str) -> str:
        return (
            f'sftp = {{ host = "{side["host"]}", port = {side["port"]}, user = "{side["user"]}",'
            f' password = {{ env = "{variable}" }}, host_keys = ["{side["host_key"]}"] }}'
        )

    return f"""
[accounts.redoute]
marketplace = "laredoute"
environment = "sandbox"
vendor_id = "{redoute["vendor_id"]}"
every = {{ items = "1s", {FAST}{redoute_every} }}
login = {{ user = "{redoute["http"]["user"]}", password = {{ env = "HTTP" }} }}
tokens = {{ create_items = {{ env = "ITEMS" }}, read_orders = {{ env = "READ" }}, update_orders = {{ env = "UPDATE" }} }}
{sftp(redoute["sftp"], "REDOUTE")}
urls = {{ items = "{redoute["items_url"]}", offers = "{redoute["offers_url"]}", orders = "{redoute["orders_url"]}" }}
offers = {{ interval = "{INTERVAL:.0f}s", patience = "4s", deadline = "1s" }}
items = {{ patience = "4s" }}
orders = {{ accept = "in_stock" }}

[accounts.lewis]
marketplace = "johnlewis"
environment = "sandbox"
standard_delivery_days = 3
every = {{ {FAST}{lewis_every} }}
{sftp(lewis["sftp"], "LEWIS")}
stock = {{ answer_wait = "{answer_wait}" }}
updates = {{ answer_wait = "{answer_wait}" }}
"""


def secrets(sandbox: Sandbox) -> dict[str, str]:
    redoute, lewis = sandbox.settings.laredoute, sandbox.settings.johnlewis
    return {
        "HTTP": redoute.http.password,
        "ITEMS": redoute.items_key,
        "READ": redoute.read_orders_key,
        "UPDATE": redoute.update_orders_key,
        "REDOUTE": redoute.sftp.password,
        "LEWIS": lewis.sftp.password,
    }


async def fill(database: Path) -> None:
    async with open_store(database) as store:
        redoute, lewis = AccountName("redoute"), AccountName("lewis")
        await store.accounts.configure(redoute, "laredoute", "", NOON)
        await store.accounts.configure(lewis, "johnlewis", "", NOON)
        photo = (Photo("https://pictures.example.test/lamp.jpg", 1),)
        rows = [
            ItemRow(Sku(sku), Item(ean, "S001", sku, sku, "Lampe", "<p>Lampe</p>", "B0001", "C1", photo))
            for sku, ean in EANS.items()
        ]
        await store.listings.put_items(redoute, rows, NOON, ["", ""], item_feed=True)
        await store.listings.put_prices(redoute, [PriceRow(Sku(sku), Money(1990, "EUR")) for sku in EANS], NOON)
        await store.listings.put_stock(redoute, Figures(dict.fromkeys(EANS, 9)), NOON)
        chairs = [ItemRow(Sku(sku), Item(), channel_item_id=part) for sku, part in PARTS.items()]
        await store.listings.put_items(lewis, chairs, NOON, ["", ""], item_feed=False)
        await store.listings.put_stock(lewis, Figures(dict.fromkeys(PARTS, 9)), NOON)


def torn(content: bytes, whole: list[bytes]) -> bool:
    """Whether this is the start of a stock file that came whole, and not all of it."""
    return any(content != file and file.startswith(content) for file in whole)


async def until(true: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait for something of the far sides or the database, as close to its moment as can be."""
    with anyio.fail_after(25):
        while True:
            now = true()
            if now if isinstance(now, bool) else await now:
                return
            await anyio.sleep(0.001)


async def test_killed_at_every_stage_nothing_is_lost_doubled_or_too_early(
    site: Site, tmp_path: Path
) -> None:  # L8 L13 J7 D9
    sides = SandboxSettings(
        tmp_path / "sandbox",
        laredoute=LaRedouteSettings(delay=0.2),
        johnlewis=JohnLewisSettings(poll_every=0.02, accepted="leave"),
    )
    async with Sandbox(sides) as sandbox:
        redoute, lewis = sandbox.laredoute, sandbox.johnlewis
        site.write(accounts(sandbox))
        database = tmp_path / "state" / "sellerd.db"
        await fill(database)

        async def rows(sql: str) -> list[tuple[object, ...]]:
            async with read_store(database) as store:
                return await store.database.read(lambda db: [tuple(row) for row in db.execute(sql).fetchall()])

        async def sending() -> bool:
            return bool(await rows("SELECT 1 FROM feeds WHERE kind = 'offer' AND state = 'sending'"))

        def a_feed_arrived(kind: Literal["items", "offers"]) -> Callable[[], bool]:
            before = Counter(feed.kind for feed in redoute.feeds)[kind]
            return lambda: Counter(feed.kind for feed in redoute.feeds)[kind] > before

        async def an_update(state: str) -> bool:
            return bool(await rows(f"SELECT 1 FROM order_updates WHERE state = '{state}'"))

        async def order_stored() -> bool:
            return len(await rows("SELECT 1 FROM orders")) == 2

        def ordered() -> bool:
            if set(redoute.offers) == set(EANS.values()) and not redoute.orders:
                redoute.place_order([(EANS["LAMP-1"], 1), (EANS["LAMP-2"], 2)])
                lewis.place_order(PARTS["CHAIR-1"], 2)
            return bool(redoute.orders)

        stages: list[Callable[[], bool] | Callable[[], Awaitable[bool]]] = [
            a_feed_arrived("items"),
            lambda: set(redoute.catalogue) == set(EANS.values()),
            sending,
            lambda: any(feed.kind == "offers" for feed in redoute.feeds),
            ordered,
            order_stored,
            lambda: any(line.status.name != "CREATED" for order in redoute.orders.values() for line in order.lines),
            lambda: any(order.state != "new" for order in lewis.orders.values()),
        ]
        for stage in stages:
            async with site.running(**secrets(sandbox)) as process:
                await until(stage)
                process.signal(signal.SIGKILL)
                await process.ended()
        async with site.running(**secrets(sandbox)):

            async def settled() -> bool:
                open_feeds = await rows("SELECT 1 FROM feeds WHERE state IN ('sending', 'sent', 'in_doubt')")
                waiting = await rows(
                    "SELECT 1 FROM listings WHERE 'pending' IN (item_state, stock_state, price_state)"
                    " OR 'sent' IN (item_state, stock_state, price_state)"
                )
                lines = await rows("SELECT DISTINCT state FROM order_lines")
                assert (
                    await rows("SELECT 1 FROM listings WHERE 'error' IN (item_state, stock_state, price_state)") == []
                )
                doubts = await rows("SELECT 1 FROM order_updates WHERE state <> 'succeeded'")
                return not open_feeds and not waiting and not doubts and lines == [("to_ship",)]

            await until(settled)

        assert min(redoute.offer_gaps(all_requests=True), default=INTERVAL) >= INTERVAL
        assert {ean: int(offer.stock) for ean, offer in redoute.offers.items()} == dict.fromkeys(EANS.values(), 9)
        assert {part: stock.free for part, stock in lewis.stock.items()} == dict.fromkeys(PARTS.values(), 9)
        assert sorted(await rows("SELECT number FROM orders")) == sorted(
            [(number,) for number in (*redoute.orders, *lewis.orders)]
        )
        assert await rows("SELECT 1 FROM order_updates WHERE state = 'failed'") == []
        acknowledged = [it for it in lewis.arrivals if it.folder == "outgoing" and it.outcome == "accepted"]
        assert len(acknowledged) == 1
        # Stock has no marker: a kill can leave half a file, which is refused whole; what was in it came again.
        whole = [it.content for it in lewis.arrivals if it.folder == "inventory" and it.outcome == "accepted"]
        refused = [it for it in lewis.arrivals if it.outcome not in {"accepted", "repeated"}]
        assert [it for it in refused if it.folder != "inventory" or not torn(it.content, whole)] == []
