"""The offer file and the request that injects it."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Refused, Unreadable
from daemon.marketplaces.sellr import offers, xmlread
from daemon.marketplaces.sellr.wire import clean
from daemon.model import FeedKind, FeedObject, Money
from tests.marketplaces.sellr.made_up import OFFERS, PROMOTED, SALE, feed, golden, listing, settings

NS = {"o": offers.NAMESPACE}
WSDL = Path(__file__).resolve().parents[3].parent / "shared" / "contracts" / "InjectFile_1.0.wsdl"


def written(*objects: FeedObject) -> bytes:
    file = offers.SellerOfferRequest(settings(), feed(FeedKind.OFFER))
    return file.head() + file.rows(objects) + file.tail()


def text(root: ET.Element, path: str) -> str:
    found = root.find(path, NS)
    assert found is not None
    return found.text or ""


def test_the_offer_file_is_the_golden_one() -> None:  # L6
    assert written(*OFFERS) == golden("seller-offers.xml")


def test_an_offer_file_with_promotions_and_an_rrp_is_the_golden_one() -> None:  # L10 L11
    assert written(*PROMOTED) == golden("seller-offers-promoted.xml")


@pytest.mark.parametrize(
    ("own", "told"),
    [(None, "0.20"), (Decimal("0.055"), "0.055"), (Decimal("0.1"), "0.10"), (Decimal("0.009"), "0.009")],
)
def test_a_listings_own_vat_rate_goes_before_the_accounts(own: Decimal | None, told: str) -> None:  # C4
    assert text(ET.fromstring(written(listing(vat_rate=own))), ".//o:VATRate") == told


def test_every_offer_is_of_new_goods_and_in_euros() -> None:  # C13
    root = ET.fromstring(written(*OFFERS, *PROMOTED))
    assert {node.get("Condition") for node in root.iter(f"{{{offers.NAMESPACE}}}ItemCondition")} == {"New"}
    assert {node.get("CurrencyCode") for node in root.iter() if "CurrencyCode" in node.attrib} == {"EUR"}


@pytest.mark.parametrize(
    ("ends_at", "told"),
    [
        (datetime(2026, 7, 21, 22, 0, tzinfo=UTC), "2026-07-21T22:00:00.000Z"),
        (datetime(2026, 7, 21, 21, 59, 59, tzinfo=UTC), "2026-07-21T22:00:00.000Z"),
        (datetime(2026, 7, 21, 21, 59, 0, 1, tzinfo=UTC), "2026-07-21T22:00:00.000Z"),
        (datetime(2026, 7, 22, 0, 0, tzinfo=settings().zone), "2026-07-21T22:00:00.000Z"),
    ],
)
def test_a_promotion_is_told_in_whole_minutes_of_utc(ends_at: datetime, told: str) -> None:  # L11
    root = ET.fromstring(written(listing(promotion=replace(SALE, ends_at=ends_at))))
    assert text(root, ".//o:StartDate") == "2026-06-24T06:00:00.000Z"
    assert text(root, ".//o:EndDate") == told


def test_a_mark_down_shows_the_rrp_and_nothing_else_does() -> None:  # L7
    prices = [Money(1990, "EUR")] * 3
    rrps = [Money(2990, "EUR"), Money(1990, "EUR"), Money(100, "EUR")]
    rows = [listing(price=price, rrp=rrp) for price, rrp in zip(prices, rrps, strict=True)]
    root = ET.fromstring(written(*rows, listing(rrp=Money(9999, "GBP"))))
    blocked = [node.text for node in root.findall(".//o:BlockedPrice", NS)]
    assert blocked == ["29.90", "19.90", "19.90", "19.90"]


def test_an_offer_without_a_price_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="RED-42 has no price"):
        written(listing(price=None))


def test_the_period_is_told_in_utc_whatever_the_clock_says() -> None:
    moved = replace(feed(FeedKind.OFFER), opened_at=feed(FeedKind.OFFER).opened_at.astimezone(settings().zone))
    assert offers.SellerOfferRequest(settings(), moved).head() in golden("seller-offers.xml")


@given(
    st.text(st.characters(), min_size=1),
    st.text(st.characters()),
    st.integers(0, 10**6),
    st.integers(1, 10**9),
)
def test_what_is_written_is_read_again(sku: str, ean: str, stock: int, minor: int) -> None:
    root = ET.fromstring(written(listing(sku=sku, ean=ean, stock=stock, price=Money(minor, "EUR"))))
    price = root.find(".//o:SellerOfferPrice", NS)
    assert price is not None
    assert price.get("SellerOfferID") == clean(sku)
    assert text(root, ".//o:ItemStandardID") == clean(ean)
    assert text(root, ".//o:StockQuantity") == str(stock)
    euros, _, cents = text(root, ".//o:Amount").partition(".")
    assert (int(euros) * 100 + int(cents), len(cents)) == (minor, 2)


@pytest.mark.skipif(not WSDL.exists(), reason="the WSDL is not beside the repository")
def test_the_request_is_valid_by_the_wsdl() -> None:
    wsdl = ET.parse(WSDL)
    schemas = wsdl.iter("{http://www.w3.org/2001/XMLSchema}schema")
    schema = next(found for found in schemas if found.get("targetNamespace") == offers.INJECT_NAMESPACE)
    # The prefix ns2 is declared at the root of the WSDL, and ElementTree does not carry it along.
    written_schema = ET.tostring(schema, "unicode").replace('"ns2:', '"own:')
    written_schema = written_schema.replace("schema ", f'schema xmlns:own="{offers.INJECT_NAMESPACE}" ', 1)
    checked = xmlschema.XMLSchema(io.StringIO(written_schema))
    envelope = ET.fromstring(offers.request(settings(), feed(FeedKind.OFFER)))
    request = envelope.find(f".//{{{offers.INJECT_NAMESPACE}}}InjectFileRequest_1.0")
    assert request is not None
    checked.validate(request)
    reply = ET.fromstring(golden("injected.xml"))
    response = reply.find(f".//{{{offers.INJECT_NAMESPACE}}}InjectFileResponse_1.0")
    assert response is not None
    checked.validate(response)


def test_a_taken_file_has_its_batch_id() -> None:  # L16
    assert offers.read_reply(xmlread.read(golden("injected.xml"))) == "B00000042"


def test_a_file_turned_down_says_why() -> None:
    with pytest.raises(Refused, match="Invalid number of elements") as caught:
        offers.read_reply(xmlread.read(golden("turned-down.xml")))
    assert caught.value.code == "0005"


def test_a_reply_that_says_neither_is_not_understood() -> None:
    with pytest.raises(Unreadable, match="processWithSuccess"):
        offers.read_reply(xmlread.read(b"<Envelope><Body/></Envelope>"))
