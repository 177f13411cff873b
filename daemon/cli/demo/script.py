"""What happens in the demo: what the seller does, as commands, and what the customers do."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import anyio

from daemon.cli.demo.configuration import INTERVAL, fingerprint
from daemon.cli.demo.levers import Levers
from daemon.cli.demo.milestones import Wanted, first_offer_feed, offers_integrated, orders_stored, stock_file_taken
from daemon.cli.demo.snapshot import JOHNLEWIS, LAREDOUTE, Snapshot, View
from daemon.cli.demo.stage import Stage
from daemon.cli.demo.watch import Watch

WANTED = Wanted(
    interval=INTERVAL,
    rejection="PHOTO 1 IS SMALLER THAN 1000 PIXELS",
    tracking={LAREDOUTE: "DEMO0000001FR", JOHNLEWIS: "DEMO0000002GB"},
)

_CATALOGUE = Path(__file__).with_name("catalogue")
_FILES = ((LAREDOUTE, ("listings", "stock", "prices")), (JOHNLEWIS, ("listings", "stock")))
_CARRIERS = {LAREDOUTE: "Colissimo", JOHNLEWIS: "Royal Mail"}

# Of the catalogue: what La Redoute turns down, what the customers buy, and what is sold in the seller's own shop.
_REJECTED_EAN = "3701234567082"
_BOUGHT = {LAREDOUTE: ("3701234567013", 2), JOHNLEWIS: ("86501101", 1)}
_SOLD_IN_SHOP, _LEFT_IN_SHOP = "VASE-GRES", 8


class Narrator(Protocol):
    """Who tells what is done."""

    def say(self, text: str) -> None:
        """Tell something."""

    def typed(self, arguments: Sequence[str]) -> None:
        """Tell which command is run."""

    def printed(self, text: str) -> None:
        """Tell what it printed."""


@dataclass(frozen=True, slots=True)
class Seller:
    """The seller at one terminal: a command at a time."""

    stage: Stage
    narrator: Narrator
    terminal: anyio.Lock = field(default_factory=anyio.Lock)

    async def types(self, *arguments: str) -> None:
        """Run a command of `sellerd`."""
        async with self.terminal:
            self.narrator.typed(arguments)
            self.narrator.printed(await self.stage.command(*arguments))

    def says(self, text: str) -> None:
        """Tell what happens."""
        self.narrator.say(text)


async def prepare(seller: Seller, levers: Levers, sandbox: View) -> None:
    """Trust both servers, as their fingerprints were told, and bring the catalogue in."""
    for account in (LAREDOUTE, JOHNLEWIS):
        told = fingerprint(sandbox[account]["sftp"]["host_key"])
        await seller.types("accounts", "trust", account, "--fingerprint", told)
    for account, kinds in _FILES:
        for kind in kinds:
            name = f"{account}-{kind}.csv"
            await anyio.to_thread.run_sync(shutil.copy, _CATALOGUE / name, seller.stage.folder / name)
            await seller.types("import", kind, name, "--account", account)
    await levers.reject(_REJECTED_EAN, WANTED.rejection)
    seller.says(f"La Redoute will turn EAN {_REJECTED_EAN} down.")


async def play(seller: Seller, levers: Levers, watch: Watch) -> None:
    """Sell in the shop and at both marketplaces; returns when the seller has done everything."""
    async with anyio.create_task_group() as group:
        group.start_soon(_sell_in_shop, seller, watch)
        await watch.until(_sees(offers_integrated))
        await watch.until(_sees(stock_file_taken))
        for account, (article, quantity) in _BOUGHT.items():
            number = await levers.order(account, article, quantity)
            seller.says(f"A customer of {account} orders {quantity} of {article}: order {number}.")
        snapshot = await watch.until(_sees(orders_stored))
        numbers = {order["account"]: order["number"] for order in snapshot.orders}
        await seller.types("orders", "accept", "--account", LAREDOUTE, numbers[LAREDOUTE])
        for account in (JOHNLEWIS, LAREDOUTE):
            group.start_soon(_ship, seller, watch, account, numbers[account])


async def _sell_in_shop(seller: Seller, watch: Watch) -> None:
    """Change a stock just after the first offer feed, so that the gate holds the next one (L8)."""
    await watch.until(_sees(first_offer_feed))
    seller.says(f"One {_SOLD_IN_SHOP} is sold in the seller's own shop; the gate holds the new stock back.")
    file = seller.stage.folder / "shop-stock.csv"
    await anyio.Path(file).write_text(f"sku,stock\n{_SOLD_IN_SHOP},{_LEFT_IN_SHOP}\n", "utf-8")
    await seller.types("import", "stock", file.name, "--account", LAREDOUTE)


async def _ship(seller: Seller, watch: Watch, account: str, number: str) -> None:
    await watch.until(partial(_is_to_ship, account))
    parcel = ("--carrier", _CARRIERS[account], "--tracking", WANTED.tracking[account])
    await seller.types("orders", "ship", "--account", account, number, *parcel)


def _is_to_ship(account: str, snapshot: Snapshot) -> bool:
    return snapshot.order_is(account, "to_ship")


def _sees(judge: Callable[[Snapshot, Wanted], str]) -> Callable[[Snapshot], str]:
    return lambda snapshot: judge(snapshot, WANTED)
