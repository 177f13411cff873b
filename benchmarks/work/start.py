"""From the start of the process until /readyz says yes, with a million listings in the store."""

import time
from collections.abc import Iterator

import anyio

from benchmarks.accounts import NOW
from benchmarks.pairs import Bench, Measure
from benchmarks.site import Site
from daemon.config import load
from daemon.store import open_store

LISTINGS, ACCOUNTS = 1_000_000, 10


def rows(bench: Bench) -> Iterator[Measure]:
    """The first start of a day: the files are in the system's cache, as they are after a restart."""
    count = bench.size(LISTINGS)
    site = Site(bench.folder, ACCOUNTS)
    anyio.run(fill, site, count)
    what = f"start to /readyz, {count:,} listings of {ACCOUNTS} accounts in the store"
    yield Measure(what, "s", lambda: start(site), 1.5, "start")


async def fill(site: Site, count: int) -> None:
    """Listings that are in order at their marketplaces, evenly among the accounts."""
    config = load(site.config)
    async with open_store(site.database) as store:
        for name, account in config.accounts.items():
            await store.accounts.configure(name, account.marketplace, "", NOW)
        names = list(config.accounts)
        listings = (
            (names[number % len(names)], f"SKU-{number:07d}", f"{10**12 + number}", f"{10**7 + number}", number % 50)
            for number in range(count)
        )
        await store.database.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO listings (account, sku, ean, channel_item_id, channel_status, stock, price_minor,"
                    " stock_revision, price_revision, created_at, changed_at)"
                    " VALUES (?, ?, ?, ?, 'offer_integrated', ?, 1990, 1, 1, 0, 0)",
                    listings,
                ).rowcount
            )
        )


def start(site: Site) -> float:
    """Start the daemon and ask until it is ready."""
    started = time.perf_counter()
    with site.running():
        site.wait_until_ready()
        return time.perf_counter() - started
