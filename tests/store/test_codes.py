"""Errors that were told: verbatim, counted once, and not without end."""

from datetime import timedelta

from daemon.model import AnswerLine, Item, Sku
from daemon.store.answers import Answers
from daemon.store.codes import MOST, OTHERS, Codes
from daemon.store.database import Database
from daemon.store.feeds import Feeds
from daemon.store.listings import ItemRow, Listings
from tests.store.conftest import ITEM_RULE, NOON, REDOUTE, moment

MINUTE = timedelta(minutes=1)


async def rejected(database: Database, texts: list[str], batch: str, after: timedelta) -> None:
    """One feed in which every listing is rejected with a text of its own."""
    skus = [Sku(f"{batch}-{number}") for number in range(len(texts))]
    rows = [ItemRow(sku, Item(title=sku)) for sku in skus]
    await Listings(database).put_items(REDOUTE, rows, NOON, [""] * len(rows), item_feed=True)
    feed = await Feeds(database).open(REDOUTE, ITEM_RULE, moment(after))
    assert feed is not None
    await Feeds(database).sent(feed, ITEM_RULE, batch, moment(after))  # type: ignore[arg-type]
    lines = [
        AnswerLine(accepted=False, remote_ref=batch, sku=sku, code="X", text=text)
        for sku, text in zip(skus, texts, strict=True)
    ]
    for _ in range(2):
        await Answers(database).apply(REDOUTE, lines, NOON + after)


async def test_the_same_words_are_one_row_with_first_and_last(database: Database) -> None:  # L17
    await rejected(database, ["NON", "NON", "JAMAIS"], "B1", MINUTE)
    await rejected(database, ["NON"], "B2", 2 * MINUTE)
    found = {code.text: code for code in await Codes(database).all(REDOUTE)}
    assert {text: code.count for text, code in found.items()} == {"NON": 3, "JAMAIS": 1}
    assert (found["NON"].first_seen_at, found["NON"].last_seen_at) == (NOON + MINUTE, NOON + 2 * MINUTE)
    assert [code.text for code in await Codes(database).all()] == ["NON", "JAMAIS"]


async def test_a_new_text_for_every_listing_does_not_fill_the_table(database: Database) -> None:  # L17
    await rejected(database, [f"ERREUR {number}" for number in range(MOST)], "B1", MINUTE)
    await rejected(database, ["ERREUR 1", "NOUVEAU 1", "NOUVEAU 2"], "B2", 2 * MINUTE)
    found = {code.text: code.count for code in await Codes(database).all(REDOUTE)}
    assert len(found) == MOST + 1
    assert (found["ERREUR 1"], found[OTHERS]) == (2, 2)


async def test_nor_does_a_report_that_has_more_of_them_at_once(database: Database) -> None:  # L17
    await rejected(database, [f"ERREUR {number}" for number in range(MOST + 5)], "B1", MINUTE)
    found = {code.text: code.count for code in await Codes(database).all(REDOUTE)}
    assert found == {**{f"ERREUR {number}": 1 for number in range(MOST)}, OTHERS: 5}
