"""The item service takes VendorItems exactly as documented, and answers each item in a report."""

import httpx
import pytest

from daemon.sandbox import Sandbox
from tests.sandbox.wire import (
    EAN,
    OTHER_EAN,
    VENDOR_ITEM,
    get,
    items_message,
    laredoute_sftp,
    names,
    send_items,
    vendor_items,
)


async def test_an_item_feed_becomes_products_and_a_report(sandbox: Sandbox, client: httpx.AsyncClient) -> None:  # L17
    reply = await send_items(client)

    assert reply.status_code == 200
    assert b'"http://RedouteFrance/seller/items/1.1"' in reply.content
    assert b"injectItemsResponse><BatchId>B00000001</BatchId>" in reply.content
    assert sandbox.laredoute.catalogue == {}
    await sandbox.laredoute.answer_now()
    assert sandbox.laredoute.catalogue[EAN].part_number == "LR000000001"
    assert sandbox.laredoute.catalogue[EAN].item.title == "Lampe"
    async with laredoute_sftp(sandbox) as files:
        assert await names(files, "reports") == ["report-B00000001.csv"]
        assert (await get(files, "/reports/report-B00000001.csv")).decode() == (
            "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber\n"
            "B00000001;;3701234567891;;OK;;;LR000000001\n"
        )


async def test_an_updated_item_keeps_its_part_number(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await send_items(client)
    await send_items(client, VENDOR_ITEM.replace("Lampe]]", "Lampadaire]]"))
    await sandbox.laredoute.answer_now()

    assert sandbox.laredoute.catalogue[EAN].part_number == "LR000000001"
    assert sandbox.laredoute.catalogue[EAN].item.title == "Lampadaire"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("<EAN>3701234567891</EAN>", "<EAN>370123456789</EAN>", "/VendorItems/VendorItem[1]/EAN"),
        ("<ClassificationValue>S001", "<ClassificationValue>M001", "ClassificationValue"),
        ("<BrandCode>B0042", "<BrandCode>Acme", "BrandCode"),
        ('<ProductTitle language="fr">', "<ProductTitle>", "attribute language is missing"),
        ('<ProductTitle language="fr">', '<ProductTitle language="en">', "@language"),
        ("<MediaType>Photo", "<MediaType>Video", "MediaType"),
        ("<PublicationRank>1<", "<PublicationRank>first<", "PublicationRank"),
        ("<VendorId>1001", "<VendorId>1002", "VendorId"),
        ("<IsDeclinable>true", "<IsDeclinable>yes", "IsDeclinable"),
        ("<AttributeValueCode>V12", "<AttributeValueCode>12", "AttributeValueCode"),
        ("<Vendor>", "<VATRate>0.20</VATRate><Vendor>", "Vendor expected"),
        ("<ProductId><![CDATA[P-1]]></ProductId>", "", "ProductId expected"),
        ("</VendorItem>", "<Extra/></VendorItem>", "Extra is not expected here"),
        ("</VendorItem>", "loose</VendorItem>", "text between elements"),
    ],
)  # fmt: skip
async def test_a_wrong_form_is_a_fault_and_nothing_is_taken(
    sandbox: Sandbox, client: httpx.AsyncClient, old: str, new: str, place: str
) -> None:
    assert old in VENDOR_ITEM

    reply = await send_items(client, VENDOR_ITEM.replace(old, new))

    assert reply.status_code == 500
    assert "soap:Client</faultcode>" in reply.text
    assert place in reply.text
    await sandbox.laredoute.answer_now()
    assert sandbox.laredoute.catalogue == {}
    assert [feed.outcome for feed in sandbox.laredoute.feeds] == ["refused"]


async def test_the_order_of_elements_counts(client: httpx.AsyncClient) -> None:
    brand = "<ProductBrand><BrandCode>B0042</BrandCode></ProductBrand>"
    swapped = VENDOR_ITEM.replace(brand, "").replace("<ProductTitles>", brand + "<ProductTitles>")

    assert "ProductTitles expected" in (await send_items(client, swapped)).text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("--edge-of-part--", "--edge"), "multipart"),
        (("<api-key>", "<ns:api-key>"), "not well-formed"),
        (("<attachment/>", "<attachment>x</attachment>"), "the body must hold injectItems"),
        (("Content-ID: <attachment>", "Content-ID: <other>"), "the attachment must be"),
        (("Content-Transfer-Encoding: base64\r\n", ""), "the attachment must be"),
        (("Content-ID: <main_envelope>", "Content-ID: <root>"), "the first part"),
        (("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), "Envelope in"),
    ],
)
async def test_the_framing_counts(client: httpx.AsyncClient, change: tuple[str, str], text: str) -> None:
    headers, body = items_message(vendor_items(VENDOR_ITEM))
    broken = body.replace(change[0].encode(), change[1].encode())
    assert broken != body

    reply = await client.post("/seller/items", headers=headers, content=broken, auth=("SELLER1001-1", "sandbox-http"))

    assert reply.status_code == 500
    assert text in reply.text


async def test_a_document_type_is_refused(client: httpx.AsyncClient) -> None:
    file = vendor_items(VENDOR_ITEM).replace("<VendorItems", '<!DOCTYPE VendorItems [<!ENTITY a "b">]><VendorItems')
    headers, body = items_message(file)

    reply = await client.post("/seller/items", headers=headers, content=body, auth=("SELLER1001-1", "sandbox-http"))

    assert "document type declaration" in reply.text


async def test_login_key_and_action_are_checked(client: httpx.AsyncClient) -> None:
    headers, body = items_message(vendor_items(VENDOR_ITEM))

    assert (await client.post("/seller/items", headers=headers, content=body)).status_code == 401
    assert (
        await client.post("/seller/items", headers=headers, content=body, auth=("SELLER1001-1", "no"))
    ).status_code == 401
    assert (await send_items(client, key="another-key")).status_code == 403
    assert "action" in (await send_items(client, action="http://RedouteFrance/seller/items/1.0")).text


async def test_what_a_schema_cannot_say_comes_back_in_the_report(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    other = VENDOR_ITEM.replace(EAN, OTHER_EAN)
    await send_items(
        client, VENDOR_ITEM.replace(EAN, "3701234567890"), other.replace("<PublicationRank>2", "<PublicationRank>3")
    )
    await send_items(client, other, other)
    await send_items(client, VENDOR_ITEM.replace("/2.jpg", "/1.jpg"))
    await sandbox.laredoute.answer_now()

    reports = sandbox.laredoute.files / "reports"
    assert (reports / "report-B00000001.csv").read_text().splitlines()[1:] == [
        "B00000001;;3701234567890;;KO;E002;EAN NOT VALID;",
        "B00000001;;3701234567884;;KO;E005;PHOTO RANKS MUST RUN FROM 1;",
    ]
    assert (reports / "report-B00000002.csv").read_text().count("KO;E003;EAN MORE THAN ONCE IN FILE") == 2
    assert "KO;E006;PHOTO MORE THAN ONCE" in (reports / "report-B00000003.csv").read_text()
    assert sandbox.laredoute.catalogue == {}
