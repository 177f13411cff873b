"""One account, a real store and the sandbox, so that a test is a list of turns at literal times."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daemon.jobs import Job, Outcome, Run
from daemon.jobs.orders import download_orders
from daemon.jobs.updates import send_updates
from daemon.marketplaces import Marketplace
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import (
    AccountName,
    FeedKind,
    Item,
    Moment,
    Money,
    OrderNumber,
    OrderUpdate,
    PayloadId,
    Photo,
    Sku,
    UpdateKind,
)
from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings
from daemon.sandbox.edge_orders import EdgeOrder
from daemon.settings import AccountSettings, Secret
from daemon.store import Store, open_store
from daemon.store.choices import Choice
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow, PriceRow
from tests.openssh import OpenSsh

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

LAMP = Sku("LAMP-1")
EAN = "3701234567891"
STOCK_NUMBER = "12345678"


def moment(after: timedelta) -> Moment:
    """The clocks so long after noon, all of them going on together."""
    return Moment(NOON + after, "boot-1", 10**12 + after // timedelta(microseconds=1) * 1_000, synchronised=True)


@dataclass
class Scene:
    """Everything that a turn needs. A send takes no time unless `send_takes` says so."""

    sandbox: Sandbox
    store: Store
    account: AccountSettings
    marketplace: Marketplace
    send_takes: timedelta = timedelta()
    openssh: OpenSsh | None = None

    @property
    def name(self) -> AccountName:
        return AccountName(self.account.name)

    async def turn(self, job: Job, after: timedelta) -> Outcome:
        now = moment(after)
        later = moment(after + self.send_takes)
        return await job(Run(self.account, now, self.store, self.marketplace, lambda: later))

    async def decide(
        self, order: str, kind: UpdateKind, lines: Choice = None, *, after: timedelta = timedelta(), **more: Any
    ) -> OrderUpdate:
        """What the seller says about an order, or lines of it, so long after noon."""
        return await self.store.updates.open(
            *(self.name, OrderNumber(order), kind, lines),
            legal_moves=self.account.legal_moves,
            at=NOON + after,
            **more,
        )

    async def answer(self) -> None:
        """Let the far side do what it does later by itself."""
        await self.sandbox.laredoute.answer_now()
        await self.sandbox.johnlewis.work_now()

    async def want(
        self,
        *,
        sku: Sku = LAMP,
        ean: str = EAN,
        stock_number: str = STOCK_NUMBER,
        stock: int = 5,
        price: int = 10000,
        title: str = "Lampe de bureau",
        at: datetime = NOON,
    ) -> None:
        """A seller's complete listing."""
        item = Item(
            ean=ean,
            category="S001",
            product_id=sku,
            master_sku=sku,
            title=title,
            description="<p>Lampe en métal doré</p>",
            brand="B0001",
            catalogue_id="C1",
            photos=(Photo("https://pictures.example.test/lamp.jpg", 1),),
        )
        takes_items = FeedKind.ITEM in self.account.feed_rules
        row = ItemRow(sku, item, channel_item_id=None if takes_items else stock_number)
        await self.store.listings.put_items(self.name, [row], at, [""], item_feed=takes_items)
        await self.store.listings.put_stock(self.name, Figures({sku: stock}), at)
        if takes_items:
            money = Money(price, self.account.currency)
            await self.store.listings.put_prices(self.name, [PriceRow(sku, money)], at)

    @contextmanager
    def refusing_logins(self) -> Iterator[None]:
        """Let the far side turn every login down while the block lasts, whoever serves its files."""
        faults = self.sandbox.laredoute.faults, self.sandbox.johnlewis.faults
        for asked in faults:
            asked.add("refuse_login", times=None)
        with nullcontext() if self.openssh is None else self.openssh.refusing_logins():
            yield
        for asked in faults:
            asked.clear()

    async def restock(self, stock: int, after: timedelta) -> None:
        await self.store.listings.put_stock(self.name, Figures({LAMP: stock}), NOON + after)

    async def all(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """The columns of every row, in order."""
        return await self.rows(f"SELECT {', '.join(columns)} FROM {table}")

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says."""
        return await self.store.database.read(lambda db: [tuple(row) for row in db.execute(sql, values)])

    async def bytes_of(self, payload: int) -> bytes:
        """What is kept of something that was sent or received."""
        return b"".join([chunk async for chunk in self.store.payloads.chunks(PayloadId(payload))])

    async def parts(self) -> tuple[str, ...]:
        """Item, stock and price state, and the channel status, of the one listing."""
        (row,) = await self.all("listings", "item_state", "stock_state", "price_state", "channel_status")
        return row


def redoute_settings(sandbox: Sandbox, **changes: Any) -> AccountSettings:
    """An account at the sandbox's La Redoute."""
    there = sandbox.settings.laredoute
    described = sandbox.describe()["laredoute"]
    said = {
        "marketplace": "laredoute",
        "speaks": "sellr",
        "name": "redoute",
        "environment": "sandbox",
        "vendor_id": there.vendor_id,
        "login": {"user": there.http.user, "password": Secret(there.http.password)},
        "tokens": {
            "create_items": Secret(there.items_key),
            "read_orders": Secret(there.read_orders_key),
            "update_orders": Secret(there.update_orders_key),
        },
        "urls": {
            "items": described["items_url"],
            "offers": described["offers_url"],
            "orders": described["orders_url"],
        },
        "sftp": _login(described["sftp"]),
        "tracking_url": "https://track.example.test/{tracking_number}",
    }
    return DIALECTS["sellr"].settings.model_validate({**said, **changes})


def lewis_settings(sandbox: Sandbox, **changes: Any) -> AccountSettings:
    """An account at the sandbox's John Lewis."""
    said = {
        "marketplace": "johnlewis",
        "speaks": "edge",
        "name": "lewis",
        "environment": "sandbox",
        "standard_delivery_days": 3,
        "sftp": _login(sandbox.describe()["johnlewis"]["sftp"]),
    }
    return DIALECTS["edge"].settings.model_validate({**said, **changes})


def _login(described: dict[str, Any]) -> dict[str, Any]:
    return {
        "host": described["host"],
        "port": described["port"],
        "user": described["user"],
        "password": Secret(described["password"]),
        "host_keys": (described["host_key"],),
    }


def _over_openssh(sandbox: Sandbox, dialect: str, server: OpenSsh) -> dict[str, Any]:
    """What an account says differently where the sandbox's folder is served by OpenSSH, which shows the whole disk."""
    login = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "private_key": Secret(server.private_key),
        "host_keys": (server.host_key,),
    }
    if dialect == "edge":
        return {"sftp": login, "root": f"{sandbox.johnlewis.files}/live"}
    there = sandbox.laredoute.files
    return {"sftp": login, "folders": {name: f"{there}/{name}" for name in ("reports", "orders", "archive")}}


async def to_ship(each: Scene, quantity: int = 3, *more: tuple[str, int]) -> EdgeOrder:
    """An order of John Lewis whose acknowledgement has succeeded, an hour after noon."""
    placed = each.sandbox.johnlewis.place_order(STOCK_NUMBER, quantity, *more)
    await each.turn(download_orders, 10 * MINUTE)
    await each.turn(send_updates, 11 * MINUTE)
    await each.answer()
    await each.turn(send_updates, HOUR)
    return placed


@asynccontextmanager
async def scene(
    folder: Path,
    dialect: str,
    laredoute: LaRedouteSettings | None = None,
    *,
    johnlewis: JohnLewisSettings | None = None,
    openssh: OpenSsh | None = None,
    **changes: Any,
) -> AsyncIterator[Scene]:
    """A scene whose far side acts only when told; `openssh` serves its files in place of the sandbox's own server."""
    sides = (
        replace(laredoute or LaRedouteSettings(), delay=None),
        replace(johnlewis or JohnLewisSettings(), poll_every=None),
    )
    async with (
        Sandbox(SandboxSettings(folder / "sandbox", laredoute=sides[0], johnlewis=sides[1])) as sandbox,
        open_store(folder / "sellerd.db") as store,
    ):
        if openssh is not None:
            changes = _over_openssh(sandbox, dialect, openssh) | changes
        settings = (redoute_settings if dialect == "sellr" else lewis_settings)(sandbox, **changes)
        name = AccountName(settings.name)
        await store.accounts.configure(name, settings.marketplace, "fingerprint", NOON, settings.deadlines)
        marketplace = DIALECTS[dialect].open(settings, {})
        try:
            yield Scene(sandbox, store, settings, marketplace, openssh=openssh)
        finally:
            await marketplace.aclose()
