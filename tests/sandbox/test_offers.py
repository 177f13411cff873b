"""File injection and the offer file, their error codes, their reports and their times."""

from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from daemon.sandbox import LaRedouteSettings, Sandbox, SandboxSettings
from tests.sandbox.wire import (
    BASIC,
    EAN,
    OFFER_ITEM,
    OTHER_EAN,
    VENDOR_ITEM,
    inject_request,
    offer_file,
    offers_message,
    send_items,
    send_offers,
    until,
)  # fmt: skip

PATH = "/Redcats/File/ESB-TIBCO/File/1.0"
NAME = "1001.MKP_SellerOffer.001.2024-01-15-10-01-13.xml"


async def post(client: httpx.AsyncClient, message: tuple[dict[str, str], bytes], **headers: str) -> httpx.Response:
    return await client.post(PATH, headers=message[0] | headers, content=message[1], auth=BASIC)


async def test_an_offer_feed_becomes_offers_and_a_report(sandbox: Sandbox, client: httpx.AsyncClient) -> None:  # L17
    await send_items(client)
    reply = await send_offers(client)

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/soap+xml; charset=utf-8"
    assert "processWithSuccess>true<" in reply.text
    assert "BatchId>B00000002<" in reply.text
    await sandbox.laredoute.answer_now()
    offer = sandbox.laredoute.offers[EAN]
    assert (offer.sku, offer.stock, offer.amount, offer.blocked) == ("SKU-1", 7, Decimal("100.00"), Decimal("166.66"))
    assert (sandbox.laredoute.files / "reports" / "report-B00000002.csv").read_text() == (
        "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber\n"
        f"B00000002;{NAME};3701234567891;SKU-1;OK;;;\n"
    )


async def test_an_unknown_ean_is_product_not_found(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await send_items(client)
    await send_offers(client, OFFER_ITEM, OFFER_ITEM.replace(EAN, OTHER_EAN))
    await sandbox.laredoute.answer_now()

    report = (sandbox.laredoute.files / "reports" / "report-B00000002.csv").read_text()
    assert f"{OTHER_EAN};SKU-1;KO;E001;PRODUCT NOT FOUND;" in report
    assert list(sandbox.laredoute.offers) == [EAN]


async def test_impossible_offers_are_turned_down_one_by_one(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await send_items(client, VENDOR_ITEM, VENDOR_ITEM.replace(EAN, OTHER_EAN))
    await send_offers(
        client,
        OFFER_ITEM.replace("<EndDate>2034", "<EndDate>2014"),
        OFFER_ITEM.replace(EAN, OTHER_EAN).replace("<BlockedPrice>166.66", "<BlockedPrice>99.99"),
    )
    await sandbox.laredoute.answer_now()

    report = (sandbox.laredoute.files / "reports" / "report-B00000002.csv").read_text()
    assert "KO;E007;OFFER PERIOD ENDS BEFORE IT STARTS" in report
    assert "KO;E009;BLOCKED PRICE BELOW SELLING PRICE" in report


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (inject_request(user="1002"), "0001"),
        (inject_request(system="401"), "0002"),
        (inject_request(flow="MKP_Products"), "0003"),
        (inject_request(count=2), "0005"),
        (inject_request(name="1001.MKP_SellerOffer.001.2024-01-15-10-01-13-0001.xml"), "9999"),
        (inject_request(name="1001.MKP_SellerOffer.001.2024-13-15-10-01-13.xml"), "9999"),
        (inject_request(name="1001.MKP_SellerOffer.001.2024-01-15-10-01-14.xml"), "0004"),
    ],
)  # fmt: skip
async def test_injection_errors_have_their_codes(
    client: httpx.AsyncClient, sandbox: Sandbox, request_: str, code: str
) -> None:
    reply = await post(client, offers_message(offer_file(OFFER_ITEM), request_))

    assert reply.status_code == 200
    assert "processWithSuccess>false<" in reply.text
    assert f"Code>{code}<" in reply.text
    assert sandbox.laredoute.feeds[0].outcome == "refused"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Qualifier="EN"', 'Qualifier="EAN"'),
        ('Condition="New"', 'Condition="Used"'),
        ("<StockQuantity>7", "<StockQuantity>-1"),
        ("<StockQuantity>7", "<StockQuantity>7.0"),
        ('SellerOfferID="SKU-1"', 'SellerOfferID=""'),
        ("2024-01-15T10:00:00.000Z", "2024-01-15T10:00:13.000Z"),
        ("2024-01-15T10:00:00.000Z", "2024-02-30T10:00:00.000Z"),
        ("<Amount>100.00", "<Amount>100,00"),
        ("<VATRate>0.20", "<VATRate>20"),
        ('CurrencyCode="EUR" PriceType', 'CurrencyCode="GBP" PriceType'),
        ("<BlockedPrice>166.66</BlockedPrice>", ""),
        ("<ShipmentDelay>2</ShipmentDelay>", ""),
        ("<Availability><StockQuantity>7</StockQuantity></Availability>", ""),
    ],
)  # fmt: skip
async def test_a_wrong_form_is_an_invalid_attachment(client: httpx.AsyncClient, old: str, new: str) -> None:
    assert old in OFFER_ITEM

    reply = await send_offers(client, OFFER_ITEM.replace(old, new))

    assert "Code>0004<" in reply.text


async def test_the_sequence_of_the_request_counts(client: httpx.AsyncClient) -> None:
    swapped = inject_request().replace(
        "<f:EUserId>1001</f:EUserId><f:ESystem>400</f:ESystem>", "<f:ESystem>400</f:ESystem><f:EUserId>1001</f:EUserId>"
    )

    reply = await post(client, offers_message(offer_file(OFFER_ITEM), swapped))

    assert reply.status_code == 400
    assert "soap:Sender" in reply.text
    assert "FaultMessage>/InjectFileRequest_1.0: EUserId expected" in reply.text


async def test_the_action_may_stand_in_either_place_but_not_in_none(client: httpx.AsyncClient) -> None:
    message = offers_message(offer_file(OFFER_ITEM), inject_request(), action="")

    assert (await post(client, message)).status_code == 400
    assert (await post(client, message, SOAPAction='"InjectFile_1.0"')).status_code == 200


async def test_the_version_can_be_asked(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    envelope = (
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>'
        b'<v:GetVersionRequest_1.0 xmlns:v="http://Redcats/File/ESB-TIBCO/File/1.0/GetVersion/1.0"/></e:Body></e:Envelope>'
    )
    headers = {"Content-Type": 'application/soap+xml; charset=utf-8; action="GetVersion_1.0"'}

    assert "version>1.0<" in (await post(client, (headers, envelope))).text
    assert sandbox.laredoute.feeds == []


async def test_a_file_name_comes_once_unless_it_overwrites(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await send_offers(client)
    again = await send_offers(client)
    over = await post(
        client, offers_message(offer_file(OFFER_ITEM), inject_request(rest="<f:Overwrite>true</f:Overwrite>"))
    )
    await sandbox.laredoute.answer_now()

    assert "Code>9999<" in again.text
    assert "processWithSuccess>true<" in over.text
    assert [path.name for path in (sandbox.laredoute.files / "reports").iterdir()] == ["report-B00000002.csv"]


async def test_feeds_carry_times_and_gaps(client: httpx.AsyncClient, sandbox: Sandbox) -> None:  # L8
    await send_offers(client, minute="01")
    await send_items(client)
    await send_offers(client, minute="02")

    feeds = sandbox.laredoute.feeds
    assert [(feed.kind, feed.batch_id, feed.elements) for feed in feeds] == [
        ("offers", "B00000001", 1), ("items", "B00000002", 1), ("offers", "B00000003", 1),
    ]  # fmt: skip
    assert all(feed.started_boot < feed.ended_boot for feed in feeds)
    assert sandbox.laredoute.offer_gaps() == [feeds[2].started_boot - feeds[0].ended_boot]


async def test_reports_come_by_themselves_and_as_xml(tmp_path: Path) -> None:  # L17
    settings = SandboxSettings(tmp_path, laredoute=LaRedouteSettings(delay=0, report_format="xml"))
    async with Sandbox(settings) as sandbox, httpx.AsyncClient(base_url=sandbox.http_url, trust_env=False) as client:
        await send_items(client)
        report = sandbox.laredoute.files / "reports" / "report-B00000001.xml"
        await until(report.exists)

        assert (
            "<Report><BatchId>B00000001</BatchId><FileName /><Line><EAN>3701234567891</EAN><SellerOfferID /><Status>OK</Status>"
            "<ErrorCode /><ErrorMessage /><PartNumber>LR000000001</PartNumber></Line></Report>"
        ) in report.read_text()
