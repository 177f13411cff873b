"""Article numbers of a retailer that no two listings share, whatever is imported in whatever order (J2)."""

from pathlib import Path
from random import Random

import pytest

from daemon.model import Item, Sku, StockExtras
from daemon.store import open_store
from daemon.store.changes import Change
from daemon.store.listings import ItemRow
from tests.store.conftest import LEWIS, NOON


@pytest.mark.parametrize("seed", range(5))
async def test_numbers_are_never_shared_and_never_refused_in_vain(tmp_path: Path, seed: int) -> None:  # J2
    chance = Random(seed)
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(LEWIS, "johnlewis", "", NOON)
        kept: dict[str, str] = {}
        for _ in range(40):
            skus = chance.sample("ABCDEFGH", chance.randint(1, 5))
            rows = [ItemRow(Sku(sku), Item(), channel_item_id=str(chance.randint(1, 9))) for sku in skus]
            put = await store.listings.put_items(LEWIS, rows, NOON, [""] * len(rows), item_feed=False, own_numbers=True)
            for row, change in zip(rows, put, strict=True):
                if change is not Change.TAKEN:
                    kept[row.sku] = row.channel_item_id or ""
            there = await store.database.read(
                lambda db: dict(db.execute("SELECT sku, channel_item_id FROM listings").fetchall())
            )
            assert there == kept
            assert len(set(kept.values())) == len(kept)
            for row, change in zip(rows, put, strict=True):
                if change is Change.TAKEN:
                    holder = next((sku for sku, number in kept.items() if number == row.channel_item_id), row.sku)
                    assert holder != row.sku


async def test_what_a_stock_file_wants_besides_is_kept_and_a_change_is_due(tmp_path: Path) -> None:  # J3
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(LEWIS, "johnlewis", "", NOON)
        row = ItemRow(Sku("A"), Item(), channel_item_id="10000001", extras=StockExtras(low_stock="Y"))
        assert await store.listings.put_items(LEWIS, [row], NOON, [""], item_feed=False) == [Change.CREATED]
        assert await store.listings.put_items(LEWIS, [row], NOON, [""], item_feed=False) == [Change.UNCHANGED]
        bare = ItemRow(Sku("A"), Item())
        assert await store.listings.put_items(LEWIS, [bare], NOON, [""], item_feed=False) == [Change.UNCHANGED]
        known = await store.views.known(LEWIS, [Sku("A")])
        assert known[Sku("A")].extras == StockExtras(low_stock="Y")
        emptied = ItemRow(Sku("A"), Item(), extras=StockExtras())
        assert await store.listings.put_items(LEWIS, [emptied], NOON, [""], item_feed=False) == [Change.CHANGED]
