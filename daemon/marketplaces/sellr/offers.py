"""The offer file of Sell-R, `SellerOfferRequest`, and the request that injects it (Sell-R A3, A5, guide L6, L7, L9)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from daemon.errors import Refused, Unreadable
from daemon.marketplaces.sellr import xmlread
from daemon.marketplaces.sellr.envelopes import SOAP_12, element_text, envelope, fault
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.marketplaces.sellr.wire import amount, attribute, content, fraction, utc
from daemon.model import Amount, Count, Feed, FeedObject, Promoted, Promotion, Rate, UsualRow, Words

NAMESPACE = "http://RedCats/MarketPlace/Partnership/2.0"
INJECT_NAMESPACE = "http://Redcats/File/ESB-TIBCO/File/1.0/InjectFile/1.0"
ACTION = "InjectFile_1.0"


def request(settings: SellrSettings, feed: Feed) -> bytes:
    """The envelope that goes before the offer file; the order of the elements is that of the WSDL."""
    offers = settings.offers
    return envelope(
        SOAP_12,
        f'<ns:InjectFileRequest_1.0 xmlns:ns="{INJECT_NAMESPACE}">'
        f"<ns:EUserId>{content(settings.vendor_id)}</ns:EUserId>"
        f"<ns:ESystem>{content(offers.hub_id)}</ns:ESystem>"
        f"<ns:FlowName>{content(offers.flow_name)}</ns:FlowName>"
        f"<ns:FlowVersion>{content(offers.flow_version)}</ns:FlowVersion>"
        f"<ns:FileName>{content(feed.name)}</ns:FileName>"
        "<ns:FilePath></ns:FilePath>"
        f"<ns:NumberOfElements>{feed.size}</ns:NumberOfElements>"
        "<ns:fileAttachedWithSoapMsg>true</ns:fileAttachedWithSoapMsg>"
        "<ns:Overwrite>true</ns:Overwrite>"
        "</ns:InjectFileRequest_1.0>",
    )


def read_reply(document: xmlread.Node) -> str:
    """The BatchId of an injected file, empty where none is given; raises Refused, or Unreadable if it says neither."""
    told = fault(document)
    if told is not None:
        raise Refused(told.text, told.code)
    if document.find("processWithSuccess") is None:
        raise Unreadable(f"line {document.line}: no processWithSuccess in the reply")
    return element_text(document, "BatchId")


_BEFORE_EAN = '<Item><ItemIdentification><ItemStandardID Qualifier="EN">'
_BEFORE_STOCK = (
    '</ItemStandardID></ItemIdentification><ItemConditions><ItemCondition Condition="New"><Availability><StockQuantity>'
)
_BEFORE_NATURE = '" OfferNature="'
_BEFORE_START = '" CustomerTarget="All"><OfferPeriod><StartDate>'
_BEFORE_END = ":00.000Z</StartDate><EndDate>"
_AFTER_END = ":00.000Z</EndDate></OfferPeriod>"
_BEFORE_VAT = "</Amount><VATRate>"
_AFTER_VAT = "</VATRate></SellingPrice><BlockedPrice>"


class SellerOfferRequest:
    """One offer feed as bytes: stock and price together, an ended listing with stock 0 (L9).

    BlockedPrice, the price struck through, is the reference beside the price where that is higher, else the price.
    """

    def __init__(self, settings: SellrSettings, feed: Feed) -> None:
        offers = settings.offers
        start = utc(feed.opened_at)
        end = start + timedelta(days=offers.period_days)
        self._head = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<SellerOfferRequest xmlns="{NAMESPACE}" MessageRelease="1.0"'
            f' MessageDate="{start:%Y-%m-%dT%H:%M:%S}.000Z" SellerID="{attribute(settings.vendor_id)}"'
            f' HubID="{attribute(offers.hub_id)}">\n'
        )
        self._after_stock = (
            f'</StockQuantity></Availability><SellerOffers><SellerOffer Site="{attribute(offers.site)}"'
            f' CountryCode="{offers.country}"><SellerOfferPrices><SellerOfferPrice SellerOfferID="'
        )
        self._after_id = _nature_and_period(offers.offer_nature, start, end)
        self._nature = offers.offer_nature
        self._after_price = (
            '</BlockedPrice></SellerOfferPrice></SellerOfferPrices><Deliveries><Delivery DeliveryType="Regular"'
            f' DeliveryMode="Home"><DeliveryFee CurrencyCode="{settings.currency}">{offers.delivery_fee}</DeliveryFee>'
            "<ShipmentDelay>"
        )
        self._after_delay = (
            f"</ShipmentDelay><DeliveryDaysRange><Min>{offers.delivery_days_min}</Min>"
            f"<Max>{offers.delivery_days_max}</Max></DeliveryDaysRange></Delivery></Deliveries></SellerOffer>"
            "</SellerOffers></ItemCondition></ItemConditions></Item>\n"
        )
        self._start, self._end = start, end
        self._before_price = f'<SellingPrice CurrencyCode="{settings.currency}" PriceType="SellingPrice"><Amount>'
        self._vat_rate = offers.vat_rate
        self._shipment_delay = offers.shipment_delay

    @property
    def usual(self) -> UsualRow:
        """An Item as `_row` writes it."""
        nature, start, end = attribute(self._nature), _minute(self._start), _minute(self._end)
        return (
            *(_BEFORE_EAN, Words("ean"), _BEFORE_STOCK, Count("stock"), self._after_stock, Words("sku")),
            *(_BEFORE_NATURE, Promoted("nature", nature), _BEFORE_START, Promoted("starts_at", start)),
            *(_BEFORE_END, Promoted("ends_at", end), _AFTER_END, self._before_price, Amount("price")),
            *(_BEFORE_VAT, Rate(self._vat_rate), _AFTER_VAT),
            *(Amount("highest"), self._after_price, Count("handling_days", self._shipment_delay), self._after_delay),
        )

    def head(self) -> bytes:
        """The declaration and the root."""
        return self._head.encode()

    def rows(self, batch: Sequence[FeedObject]) -> bytes:
        """An Item for each listing. A listing without a price is none of an offer feed's: ValueError."""
        return "".join(map(self._row, batch)).encode()

    def tail(self) -> bytes:
        """The end of the root."""
        return b"</SellerOfferRequest>\n"

    def _of(self, promotion: Promotion | None) -> str:
        """The nature and the period of an offer: a promotion's own while it is in force (L11)."""
        if promotion is None:
            return self._after_id
        # The wire has whole minutes, and the last one of a promotion is still its own.
        end = promotion.ends_at + timedelta(minutes=1) - timedelta.resolution
        return _nature_and_period(promotion.nature or self._nature, utc(promotion.starts_at), utc(end))

    def _row(self, listing: FeedObject) -> str:
        price, rrp = listing.price, listing.rrp
        if price is None:
            raise ValueError(f"{listing.sku} has no price, and an offer cannot be written without one")
        blocked = rrp if rrp is not None and rrp.currency == price.currency and rrp.minor > price.minor else price
        vat_rate = self._vat_rate if listing.vat_rate is None else fraction(listing.vat_rate)
        delay = self._shipment_delay if listing.handling_days is None else listing.handling_days
        return (
            f"{_BEFORE_EAN}{content(listing.ean)}{_BEFORE_STOCK}{listing.stock}{self._after_stock}"
            f"{attribute(listing.sku)}{self._of(listing.promotion)}"
            f'<SellingPrice CurrencyCode="{price.currency}" PriceType="SellingPrice"><Amount>{amount(price)}'
            f"{_BEFORE_VAT}{vat_rate}{_AFTER_VAT}{amount(blocked)}{self._after_price}{delay}{self._after_delay}"
        )


def _nature_and_period(nature: str, start: datetime, end: datetime) -> str:
    return f"{_BEFORE_NATURE}{attribute(nature)}{_BEFORE_START}{_minute(start)}{_BEFORE_END}{_minute(end)}{_AFTER_END}"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"
