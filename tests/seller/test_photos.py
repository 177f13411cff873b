"""Photos looked at where they lie, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from daemon.errors import NotAllowed
from daemon.model import AccountName, Item, Photo, Sku
from daemon.rules.pictures import ENOUGH
from daemon.seller.photos import PhotoFinding, PhotoVerdict, check_photos, outward_of
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.listings import ItemRow
from daemon.transports.outward import Outward
from tests.cable import raw_server
from tests.pictures import jpeg, png
from tests.seller.conftest import NOON, lewis, redoute
from tests.transports.test_http import read_request

REDOUTE = AccountName("redoute")
#: where services that nobody asks are
ELSEWHERE = {name: f"http://127.0.0.1:1/{name}" for name in ("items", "offers", "orders")}


@dataclass
class Shelf:
    """A server of pictures; a path that it does not know is answered with 404."""

    pictures: dict[str, bytes]
    head: str = ""
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, headers, _ = await read_request(reader)
        path = first.split(" ")[1]
        self.asked.append(f"{path} {headers['range']}")
        picture = self.pictures.get(path)
        status = "404 Not Found" if picture is None else "200 OK"
        body = picture or b""
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{self.head}\r\n".encode() + body)
        await writer.drain()


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    shelf = Shelf(
        {
            "/good.jpg": jpeg(1200, 1600) + bytes(100),
            "/meagre.png": png(1199, 4000),
            "/small.png": png(400, 399),
            "/page.jpg": b"<html>",
            # Longer than what is read of it: the rest is never waited for.
            "/long.jpg": jpeg(2000, 2000) + bytes(2 * ENOUGH),
        }
    )
    async with raw_server(shelf.serve) as port:
        shelf.url = f"http://127.0.0.1:{port}"
        yield shelf


def looking(**changes: object) -> AccountSettings:
    return redoute(environment="sandbox", urls=ELSEWHERE, items={"photos": {"check": True, **changes}})


async def wanted(store: Store, sku: str, *urls: str) -> None:
    photos = tuple(Photo(url, rank) for rank, url in enumerate(urls, 1))
    await store.listings.put_items(REDOUTE, [ItemRow(Sku(sku), Item(photos=photos))], NOON, [""], item_feed=True)


async def looked(
    store: Store, account: AccountSettings, *skus: str, outward: Outward | None = None
) -> list[PhotoFinding]:
    chosen = [Sku(sku) for sku in skus] or None
    pages = check_photos(store, account, chosen, outward or outward_of(account))
    return [each async for page in pages for each in page]


async def test_each_photo_is_judged_by_its_size(store: Store, shelf: Shelf) -> None:  # C6
    await wanted(store, "LAMP-1", *(f"{shelf.url}/{name}" for name in ("good.jpg", "meagre.png", "small.png")))
    await wanted(store, "LAMP-2", f"{shelf.url}/page.jpg", f"{shelf.url}/none.jpg", f"{shelf.url}/long.jpg")
    found = await looked(store, looking())
    assert [(each.sku, each.rank, each.verdict, each.width, each.height) for each in found] == [
        ("LAMP-1", 1, PhotoVerdict.OK, 1200, 1600),
        ("LAMP-1", 2, PhotoVerdict.MEAGRE, 1199, 4000),
        ("LAMP-1", 3, PhotoVerdict.SMALL, 400, 399),
        ("LAMP-2", 1, PhotoVerdict.UNREAD, None, None),
        ("LAMP-2", 2, PhotoVerdict.UNREAD, None, None),
        ("LAMP-2", 3, PhotoVerdict.OK, 2000, 2000),
    ]
    assert [each.problem for each in found] == [
        "",
        "it is 1199 x 4000, and 1200 x 1200 is wanted for zooming",
        "it is 400 x 399, and at least 400 x 400 is taken",
        "what lies there is no JPEG, PNG, GIF or WebP",
        "its server answers with status 404",
        "",
    ]
    assert [each.wrong for each in found] == [False, False, True, True, True, False]
    assert f"/good.jpg bytes=0-{ENOUGH - 1}" in shelf.asked


async def test_the_limits_are_settings_and_a_photo_of_many_is_asked_once(store: Store, shelf: Shelf) -> None:  # C6
    await wanted(store, "LAMP-1", f"{shelf.url}/small.png")
    await wanted(store, "LAMP-2", f"{shelf.url}/small.png")
    found = await looked(store, looking(least=399, wanted=399))
    assert [each.verdict for each in found] == [PhotoVerdict.OK] * 2
    assert len(shelf.asked) == 1
    assert [each.sku for each in await looked(store, looking(), "LAMP-2")] == ["LAMP-2"]


async def test_nothing_is_asked_unless_it_is_switched_on(store: Store, shelf: Shelf) -> None:  # C6
    await wanted(store, "LAMP-1", f"{shelf.url}/good.jpg")
    with pytest.raises(NotAllowed, match="check = true"):
        await looked(store, redoute(environment="sandbox", urls=ELSEWHERE))
    with pytest.raises(NotAllowed, match="takes no items"):
        await looked(store, lewis())
    assert shelf.asked == []


async def test_no_photo_leads_into_our_own_network(store: Store, shelf: Shelf) -> None:  # C6
    await wanted(store, "LAMP-1", f"{shelf.url}/good.jpg", "http://[::1]:1/a.jpg", "http://169.254.169.254/latest")
    account = redoute(items={"photos": {"check": True}})
    found = await looked(store, account)
    assert [each.verdict for each in found] == [PhotoVerdict.UNREAD] * 3
    assert all("not on the public internet" in each.problem for each in found)
    assert shelf.asked == []


async def test_a_redirect_is_not_followed(store: Store) -> None:  # C6
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw_server(serve) as port:
        await wanted(store, "LAMP-1", f"http://127.0.0.1:{port}/a.jpg")
        (found,) = await looked(store, looking())
    assert "redirect" in found.problem
