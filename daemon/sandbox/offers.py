"""File injection and the offer file, SellerOfferRequest, as La Redoute reads them (Sell-R A3, A5, A7)."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement

from daemon.sandbox.items import Verdict, check_digit_is_right
from daemon.sandbox.soap import Attachment
from daemon.sandbox.strict import TRUTH, WHOLE, WORDS, Mistake, Node, document

NAMESPACE = "http://RedCats/MarketPlace/Partnership/2.0"
INJECT = "http://Redcats/File/ESB-TIBCO/File/1.0/InjectFile/1.0"
VERSION = "http://Redcats/File/ESB-TIBCO/File/1.0/GetVersion/1.0"
FAULT = "http://Redcats/File/ESB-TIBCO/File/1.0/Fault/1.0"

_EAN = re.compile(r"[0-9]{13}")
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]{1,2})?")
_RATE = re.compile(r"0(\.[0-9]{1,4})?")
_SKU = re.compile(r"\S(.{0,30}\S)?")
_SENT_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.000Z")
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:00\.000Z")
_INTEGER = re.compile(r"-?[0-9]+")
_MARKUP = re.compile(r"(?s).*")


class Turned(Mistake):
    """An injection turned down with one of the error codes of Sell-R A3."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Injection:
    """What `InjectFileRequest_1.0` said, as far as it is used further on."""

    file_name: str
    elements: int | None
    overwrite: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer as it was sent; amounts are euros, VAT included; the period is UTC."""

    ean: str
    sku: str
    stock: int
    amount: Decimal
    blocked: Decimal
    vat_rate: Decimal
    nature: str
    starts_at: datetime
    ends_at: datetime
    delay_days: int
    delivery_days: tuple[int, int]


def read_injection(element: Element, vendor_id: str) -> Injection:
    """Read `InjectFileRequest_1.0`. Raises Mistake where the sequence is broken, Turned where a value is wrong."""
    if element.tag != f"{{{INJECT}}}InjectFileRequest_1.0":
        raise Mistake(f"the body is {element.tag}; InjectFileRequest_1.0 in {INJECT} is expected")
    with Node(element, INJECT).with_attributes() as request:
        user, system, flow, flow_version = (
            request.value(name) for name in ("EUserId", "ESystem", "FlowName", "FlowVersion")
        )
        file_name = request.value("FileName")
        if request.has_next("FilePath"):
            request.value("FilePath", _MARKUP)
        elements = int(request.value("NumberOfElements", _INTEGER)) if request.has_next("NumberOfElements") else None
        attached = request.value("fileAttachedWithSoapMsg", TRUTH) in ("true", "1")
        if request.has_next("FunctionalValidationInformation"):
            request.next("FunctionalValidationInformation")
        overwrite = request.has_next("Overwrite") and request.value("Overwrite", TRUTH) in ("true", "1")
    for right, code, text in (
        (user == vendor_id, "0001", f"Invalid EUserID {user}"),
        (system == "400", "0002", f"Invalid ESystem {system}"),
        (flow == "MKP_SellerOffer", "0003", f"Invalid FlowName {flow}"),
        (flow_version == "001", "9999", f"Invalid FlowVersion {flow_version}"),
        (_is_file_name(file_name, vendor_id), "9999", f"Invalid FileName {file_name}"),
        (attached, "0004", "Invalid Attachment: fileAttachedWithSoapMsg is false"),
    ):
        if not right:
            raise Turned(code, text)
    return Injection(file_name, elements, overwrite)


def _is_file_name(name: str, vendor_id: str) -> bool:
    """Check `<vendorId>.MKP_SellerOffer.001.<yyyy-MM-dd-HH-mm-ss>.xml` (Sell-R A7)."""
    start = f"{vendor_id}.MKP_SellerOffer.001."
    if not re.fullmatch(re.escape(start) + r"\d{4}(-\d\d){5}\.xml", name, re.ASCII):
        return False
    try:
        datetime.strptime(name.removeprefix(start), "%Y-%m-%d-%H-%M-%S.xml").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def read_attached(attachment: Attachment | None, injection: Injection, vendor_id: str) -> list[Offer]:
    """Read the offer file of an injection. Raises Turned with 0004 (attachment) or 0005 (number of elements)."""
    if attachment is None:
        raise Turned("0004", "Invalid Attachment: none came")
    if (attachment.media_type, attachment.charset) != ("text/xml", "utf-8"):
        raise Turned("0004", "Invalid Attachment: text/xml; charset=UTF-8 is expected")
    if attachment.file_name != injection.file_name:
        raise Turned("0004", f"Invalid Attachment: its name {attachment.file_name!r} is not the FileName")
    try:
        offers = read_offers(attachment.content, vendor_id)
    except Mistake as mistake:
        raise Turned("0004", f"Invalid Attachment: {mistake}") from None
    if injection.elements not in (None, len(offers)):
        raise Turned("0005", f"Invalid number of elements: {injection.elements} said, {len(offers)} found")
    return offers


def read_offers(content: bytes, vendor_id: str) -> list[Offer]:
    """Read an offer file as a schema would: one wrong form and nothing of it is taken. Raises Mistake."""
    attributes: dict[str, str | re.Pattern[str]] = {
        "MessageRelease": "1.0",
        "MessageDate": _SENT_AT,
        "SellerID": vendor_id,
        "HubID": "400",
    }
    with document(content, NAMESPACE, "SellerOfferRequest", **attributes) as root:
        _instant(root, root["MessageDate"])
        offers = [_offer(node) for node in root.every("Item")]
    if not offers:
        raise Mistake("/SellerOfferRequest: no Item")
    return offers


def _offer(node: Node) -> Offer:
    with node:
        with node.next("ItemIdentification") as identification:
            ean = identification.value("ItemStandardID", _EAN, Qualifier="EN")
        with node.next("ItemConditions") as conditions, conditions.next("ItemCondition", Condition="New") as condition:
            with condition.next("Availability") as availability:
                stock = int(availability.value("StockQuantity", WHOLE))
            with (
                condition.next("SellerOffers") as seller_offers,
                seller_offers.next("SellerOffer", Site="www.laredoute.fr", CountryCode="FR") as offer,
            ):
                return _terms(offer, ean, stock)


def _terms(node: Node, ean: str, stock: int) -> Offer:
    named: dict[str, str | re.Pattern[str]] = {"SellerOfferID": _SKU, "OfferNature": WORDS, "CustomerTarget": "All"}
    with node.next("SellerOfferPrices") as prices, prices.next("SellerOfferPrice", **named) as price:
        with price.next("OfferPeriod") as period:
            starts_at = _instant(period, period.value("StartDate", _MINUTE))
            ends_at = _instant(period, period.value("EndDate", _MINUTE))
        with price.next("SellingPrice", CurrencyCode="EUR", PriceType="SellingPrice") as selling:
            amount = Decimal(selling.value("Amount", _AMOUNT))
            vat_rate = Decimal(selling.value("VATRate", _RATE))
        blocked = Decimal(price.value("BlockedPrice", _AMOUNT))
    regular = {"DeliveryType": "Regular", "DeliveryMode": "Home"}
    with node.next("Deliveries") as deliveries, deliveries.next("Delivery", **regular) as delivery:
        delivery.value("DeliveryFee", _AMOUNT, CurrencyCode="EUR")
        delay = int(delivery.value("ShipmentDelay", WHOLE))
        with delivery.next("DeliveryDaysRange") as days:
            least, most = int(days.value("Min", WHOLE)), int(days.value("Max", WHOLE))
    return Offer(
        ean, price["SellerOfferID"], stock, amount, blocked, vat_rate, price["OfferNature"], starts_at, ends_at, delay,
        (least, most),
    )  # fmt: skip


def _instant(node: Node, text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.000Z").replace(tzinfo=UTC)
    except ValueError:
        raise Mistake(f"{node.path}: {text} is no date") from None


def judge_offers(offers: Sequence[Offer], catalogue: Collection[str]) -> list[Verdict]:
    """Judge each offer by the rules that a schema cannot say; `catalogue` holds the EANs that are products."""
    seen = Counter(offer.ean for offer in offers)
    return [_judge(offer, seen[offer.ean], offer.ean in catalogue) for offer in offers]


def _judge(offer: Offer, times: int, known: bool) -> Verdict:
    for right, code, text in (
        (check_digit_is_right(offer.ean), "E002", "EAN NOT VALID"),
        (known, "E001", "PRODUCT NOT FOUND"),
        (times == 1, "E003", "EAN MORE THAN ONCE IN FILE"),
        (offer.ends_at > offer.starts_at, "E007", "OFFER PERIOD ENDS BEFORE IT STARTS"),
        (offer.amount > 0, "E008", "SELLING PRICE MUST BE ABOVE ZERO"),
        (offer.blocked >= offer.amount, "E009", "BLOCKED PRICE BELOW SELLING PRICE"),
        (offer.delivery_days[0] <= offer.delivery_days[1], "E010", "DELIVERY DAYS RANGE NOT VALID"),
    ):
        if not right:
            return Verdict(offer.ean, offer.sku, code, text)
    return Verdict(offer.ean, offer.sku)


def write_injected(batch_id: str) -> Element:
    """Write the reply to an injection that was taken."""
    response = Element(f"{{{INJECT}}}InjectFileResponse_1.0")
    SubElement(response, f"{{{INJECT}}}processWithSuccess").text = "true"
    SubElement(response, f"{{{INJECT}}}BatchId").text = batch_id
    return response


def write_turned(turned: Turned) -> Element:
    """Write the reply to an injection that was turned down."""
    response = Element(f"{{{INJECT}}}InjectFileResponse_1.0")
    SubElement(response, f"{{{INJECT}}}processWithSuccess").text = "false"
    error = SubElement(response, f"{{{INJECT}}}Error", {"Type": "Functional"})
    SubElement(error, f"{{{INJECT}}}Code").text = turned.code
    SubElement(error, f"{{{INJECT}}}Message").text = str(turned)
    return response


def read_version_request(element: Element) -> None:
    """Check that the body asks for the version. Raises Mistake."""
    if element.tag != f"{{{VERSION}}}GetVersionRequest_1.0":
        raise Mistake(f"the body is {element.tag}; GetVersionRequest_1.0 in {VERSION} is expected")


def write_version() -> Element:
    """Write the reply to GetVersion_1.0."""
    response = Element(f"{{{VERSION}}}GetVersionResponse_1.0")
    SubElement(response, f"{{{VERSION}}}version").text = "1.0"
    return response


def write_fault_detail(text: str) -> Element:
    """Write `Fault_1.0`, the detail of a SOAP fault of this service."""
    fault = Element(f"{{{FAULT}}}Fault_1.0")
    SubElement(fault, f"{{{FAULT}}}FaultMessage").text = text
    return fault
