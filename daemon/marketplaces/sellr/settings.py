"""What an account at La Redoute (Sell-R) is configured with; every wire fact that is not known is a setting here."""

import codecs
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from daemon.marketplaces.sellr.errors import OwnCatalogue, shipped
from daemon.model import (
    Advice,
    ChannelStatus,
    FeedKind,
    FeedRule,
    ItemLimits,
    LegalMoves,
    LineState,
    OfferTerms,
    Part,
    PhotoTerms,
    Safety,
    SafetyTerms,
    UpdateKind,
    VatTerritory,
)
from daemon.rules import safety, vat
from daemon.settings import AccountSettings, DeadlinesTable, Duration, Secret, SftpTable, Table, TimeZone, is_loopback

#: guide L8: never less than this between the end of one stock and price feed and the start of the next
_HOUR = timedelta(hours=1)

#: Sell-R A6, as `plain()` makes them; spelling and case differ between sources
_STATES: Mapping[str, LineState] = {
    "created": LineState.NEW,
    "accepted": LineState.ACCEPTED,
    "refused": LineState.REFUSED,
    "toship": LineState.TO_SHIP,
    "shipped": LineState.SHIPPED,
    # "Paid" is nowhere explained; probably paid out to the seller, and nothing is left to be done then.
    "paid": LineState.COMPLETED,
    "tocancel": LineState.TO_CANCEL,
    "cancelled": LineState.CANCELLED,
    "canceled": LineState.CANCELLED,
    "torefund": LineState.REFUNDING,
    "toapprove": LineState.REFUNDING,
    "refunding": LineState.REFUNDING,
    "refunded": LineState.REFUNDED,
    "refundrefused": LineState.REFUND_REFUSED,
}


def plain(literal: str) -> str:
    """A status literal without case, spaces, hyphens and underscores: `"To ship"` and `TOSHIP` are the same (A6)."""
    return "".join(letter for letter in literal.casefold() if letter.isalnum())


def _known_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name)
        codecs.getincrementaldecoder(name)
    except LookupError:
        raise ValueError('no such encoding; use for example "utf-8-sig", "cp1252" or "iso-8859-15"') from None
    return known.name


def _element_name(text: str) -> str:
    if text and not (text.replace("-", "").replace("_", "").isalnum() and (text[0].isalpha() or text[0] == "_")):
        raise ValueError('an XML element name such as "trackingNumber"; empty leaves the element out')
    return text


def _decimal_text(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(f'write it as a text, so that no digit changes: "{value}"')  # noqa: TRY004 - pydantic wants it
    return value


def _percentage_text(value: object) -> object:
    """A percentage written as a number is as good as a text: it has two decimals at most."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _safety_field(name: str) -> str:
    if name not in safety.FIELDS:
        near = get_close_matches(name, safety.FIELDS, n=1)
        raise ValueError(f"did you mean {near[0]}?" if near else f"write one of {', '.join(safety.FIELDS)}")
    return name


Percentage = Annotated[str, BeforeValidator(_percentage_text), Field(pattern=r"^(\d{1,2}(\.\d{1,2})?)?$")]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
ElementName = Annotated[str, AfterValidator(_element_name)]
DecimalText = Annotated[str, BeforeValidator(_decimal_text), Field(pattern=r"^\d{1,7}(\.\d{1,4})?$")]
Folder = Annotated[str, Field(min_length=1)]
AttributeCode = Annotated[str, Field(pattern=r"^A\d+$")]
SafetyField = Annotated[str, AfterValidator(_safety_field)]


class LoginTable(Table):
    """The user and password of the services (HTTP Basic, A2)."""

    user: str = Field(min_length=1, pattern="^[^:]*$")
    password: Secret


class TokensTable(Table):
    """The three keys that go into the bodies of requests (A2)."""

    create_items: Secret
    read_orders: Secret
    update_orders: Secret


class UrlsTable(Table):
    """Where the services are (A2, as they were in 2017); an account that is not live must say where its own are."""

    items: str = "https://api-gateway.laredoute.com/seller/items"
    offers: str = "https://marketplace.laredoute.com/Redcats/File/ESB-TIBCO/File/1.0"
    orders: str = "https://api-gateway.laredoute.com/prod/seller/orders/1.2"


class FoldersTable(Table):
    """The folders of the account's SFTP (guide L17: ours, nothing is public)."""

    reports: Folder = "reports"
    orders: Folder = "orders"
    archive: Folder = "archive"


class ColumnsTable(Table):
    """What the fields of a report are called: CSV headers, or XML elements and attributes by local name (L17)."""

    batch_id: str = "BatchId"
    feed_name: str = "FileName"
    ean: str = "EAN"
    sku: str = "SellerOfferID"
    status: str = Field(default="Status", min_length=1)
    code: str = "ErrorCode"
    text: str = "ErrorMessage"
    part_number: str = "PartNumber"


class ReportTable(Table):
    """How reports are found and read (L17). `accepted`, `rejected` and `pending` are status words, read without case.

    A pending line gives no verdict yet: its listing goes on waiting for a later report. `catalogue` is a file of your
    own that says what errors mean; its entries come before those that are shipped.

    A last line of a CSV without a line end may be one that is still being written, its part number cut in two; it is
    left out and told, unless `unended_last_line` says that reports end like that.
    """

    format: Literal["auto", "csv", "xml"] = "auto"
    globs: tuple[str, ...] = ("*.csv", "*.xml")
    delimiter: str = Field(default=";", min_length=1, max_length=1)
    columns: ColumnsTable = ColumnsTable()
    accepted: tuple[str, ...] = ("OK", "ACCEPTED", "SUCCESS")
    rejected: tuple[str, ...] = ("KO", "REJECTED", "ERROR")
    pending: tuple[str, ...] = ("PENDING",)
    unended_last_line: Literal["leave_out", "read"] = "leave_out"
    encodings: tuple[Encoding, ...] = Field(default=("utf-8-sig", "cp1252"), min_length=1)
    catalogue: OwnCatalogue | None = None


class ShipTable(Table):
    """The elements of a shipment that no source shows (A9, 5); an empty name leaves the element out."""

    carrier: ElementName = "carrier"
    tracking_number: ElementName = "trackingNumber"
    tracking_url: ElementName = "trackingUrl"


class OrdersTable(DeadlinesTable):
    """How orders are asked for and understood, and by when the seller should have acted (A6, guide L12, L13).

    A line that has waited longer than `accept_within` for its acceptance, or than `ship_within` for its shipment, is
    late; `warn_before` before that it is due soon; `"0s"` is no deadline (A9, 13: the defaults are ours).

    `statuses` are the literals asked for; `Toapprove` and `Paid` were seen as well, but nothing is to be done at them,
    and one literal too many may cost the whole reply. `states` adds to or changes the meaning of a literal.
    `shipping_method` and `payment_method` name the elements or attributes in which those are looked for; the first that
    is there counts.
    """

    source: Literal["reply", "sftp", "both"] = "both"
    statuses: tuple[str, ...] = Field(
        default=(
            "Created",
            "Accepted",
            "Refused",
            "Toship",
            "Cancelled",
            "Refunding",
            "Refunded",
            "Refund refused",
            "Shipped",
        ),
        min_length=1,
    )
    states: Mapping[str, LineState] = Field(default_factory=dict)
    accept: Literal["manual", "in_stock"] = "manual"
    ship: ShipTable = ShipTable()
    shipping_method: tuple[str, ...] = ("ShippingMethod", "DeliveryType")
    payment_method: tuple[str, ...] = ("PaymentMethod", "PaymentType", "PaymentMode")
    deadline: Duration = timedelta(minutes=5)

    def state(self, literal: str) -> LineState | None:
        """What a status literal of the wire means, None where nobody has said so."""
        wanted = plain(literal)
        own = {plain(name): state for name, state in self.states.items()}
        return own.get(wanted) or _STATES.get(wanted)


class OffersTable(Table):
    """Stock and price feeds (A5, guide L6-L8); the delivery terms are the account's, the handling time a listing's.

    `reductions` says what becomes of a promotion whose reduction breaks the rule of the 30 days, or is none (consumer
    rules C1, C2): `warn` sends it with a warning on the listing, `block` puts the price in Error and sends the ordinary
    one. `unknown_history` says so for a listing of which no earlier price is known, `sales` for a promotion that does
    not keep to the sale that it names (C3).

    `vat_rate` is held against the rates of `vat_territory` (C4), as is a listing's own; `any` is for sellers for whom
    none of the lists is right. `prices_include_eco_contribution` says that the prices that you import include it:
    Sell-R wants them without, so it is taken off what is sent (C8).
    """

    interval: Duration = _HOUR
    patience: Duration = timedelta(hours=2)
    deadline: Duration = timedelta(minutes=10)
    flow_name: str = Field(default="MKP_SellerOffer", pattern=r"^\w+$")
    flow_version: str = Field(default="001", pattern=r"^\d+$")
    hub_id: str = "400"
    site: str = "www.laredoute.fr"
    country: str = Field(default="FR", pattern="^[A-Z]{2}$")
    vat_territory: VatTerritory = "mainland"
    vat_rate: Annotated[DecimalText, Field(pattern=r"^0(\.\d+)?$")] = "0.20"
    prices_include_eco_contribution: bool = False
    delivery_fee: DecimalText = "0.00"
    shipment_delay: int = Field(default=1, ge=0)
    delivery_days_min: int = Field(default=2, ge=0)
    delivery_days_max: int = Field(default=5, ge=0)
    period_days: int = Field(default=365, ge=1)
    offer_nature: str = "Standard"
    reductions: Literal["warn", "block"] = "warn"
    unknown_history: Literal["allow", "warn", "block"] = "warn"
    sales: Literal["warn", "block"] = "warn"


class VendorElements(Table):
    """Elements added after `VendorId` for what the wire has no known place for (A9, 9); empty leaves one out."""

    sku: ElementName = ""
    master_sku: ElementName = ""
    catalogue_id: ElementName = ""
    manufacturer: ElementName = ""
    manufacturer_part_number: ElementName = ""


class SafetyTable(Table):
    """Who answers for your products, where a listing does not say it (GPSR, consumer rules C9).

    What is told of the maker here counts for listings that name no maker or this one; of the responsible person
    likewise. With `check`, a listing has a warning for what an offer must show and nobody says. La Redoute's attributes
    for these are not public: `attributes` says in which code each goes out, such as
    `{ manufacturer_address = "A9001" }`, and what has none is kept and not sent. `value_code` is what stands in
    AttributeValueCode of these free texts; empty leaves it out.
    """

    check: bool = True
    manufacturer: str = ""
    manufacturer_address: str = ""
    manufacturer_email: str = ""
    manufacturer_country: str = Field(default="", pattern="^([A-Z]{2})?$")
    responsible_name: str = ""
    responsible_address: str = ""
    responsible_email: str = ""
    safety_warnings: str = ""
    attributes: Mapping[SafetyField, AttributeCode] = Field(default_factory=dict)
    value_code: str = ""

    @property
    def terms(self) -> SafetyTerms:
        """The same in the words of the model."""
        return SafetyTerms(Safety(**{name: getattr(self, name) for name in safety.FIELDS}), dict(self.attributes))


class PhotosTable(Table):
    """Whether photos may be looked at where they lie, by `sellerd listings check-photos` (consumer rules C6).

    With `check`, that command asks each URL for its first 256 KiB and reads the size of the picture. `least` and
    `wanted` are pixels on each side: what third parties report as La Redoute's own limits.
    """

    check: bool = False
    least: int = Field(default=400, ge=1)
    wanted: int = Field(default=1200, ge=1)


class ItemsTable(Table):
    """Item feeds (A4, guide L2, L4, L5). `checksum` is what stands in Media/Checksum: the MD5 of the URL, or nothing.

    An SKU above `sku_max` or a text of the description below `description_min` characters is an error and holds the
    listing back; a title above `title_max`, and a missing attribute of `wanted_attributes`, are warnings.
    """

    patience: Duration = timedelta(hours=24)
    deadline: Duration = timedelta(minutes=10)
    flow_name: str = Field(default="MKP_Products", pattern=r"^\w+$")
    flow_version: str = Field(default="002", pattern=r"^\d+$")
    language: str = Field(default="fr", pattern="^[a-z]{2}$")
    media_encoding: str = "jpg"
    checksum: Literal["url", "none"] = "url"
    sku_max: int = Field(default=32, ge=1)
    title_max: int = Field(default=50, ge=1)
    description_min: int = Field(default=10, ge=0)
    wanted_attributes: tuple[AttributeCode, ...] = ()
    vendor_elements: VendorElements = VendorElements()
    safety: SafetyTable = SafetyTable()
    photos: PhotosTable = PhotosTable()


class SellrSettings(AccountSettings):
    """One account at La Redoute over Sell-R (guide L, account)."""

    speaks: Literal["sellr"]
    time_zone: TimeZone = "Europe/Paris"
    currency: str = Field(default="EUR", pattern="^[A-Z]{3}$")
    vendor_id: str = Field(pattern=r"^\w+$")
    login: LoginTable
    tokens: TokensTable
    sftp: SftpTable
    urls: UrlsTable = Field(default=UrlsTable(), validate_default=True)
    folders: FoldersTable = FoldersTable()
    after_keeping: Literal["leave", "archive", "delete"] = "leave"
    report: ReportTable = ReportTable()
    orders: OrdersTable = OrdersTable()
    offers: OffersTable = OffersTable()
    items: ItemsTable = ItemsTable()
    calculate_rrp: bool = False
    discount_rrp: Percentage = Field(default="", validate_default=True)

    #: the wire names lines and no units (A6), so that each of these is for whole lines
    legal_moves: ClassVar[LegalMoves] = LegalMoves(
        {
            UpdateKind.ACCEPTANCE: frozenset({LineState.NEW}),
            UpdateKind.REFUSAL: frozenset({LineState.NEW}),
            UpdateKind.DISPATCH: frozenset({LineState.TO_SHIP}),
            UpdateKind.REFUND: frozenset({LineState.TO_SHIP, LineState.SHIPPED}),
        },
        cancels=(UpdateKind.REFUSAL, UpdateKind.REFUND),
    )

    @field_validator("currency")
    @classmethod
    def _euros(cls, currency: str) -> str:
        if currency != "EUR":
            raise ValueError('La Redoute takes prices in euros only; write "EUR", or leave it out')
        return currency

    @field_validator("urls")
    @classmethod
    def _safe_urls(cls, urls: UrlsTable, info: ValidationInfo) -> UrlsTable:
        environment = info.data.get("environment", "live")
        problems = [
            f"{name}: {problem}"
            for name, url in urls
            if (problem := _url_problem(url, environment=environment, written=name in urls.model_fields_set))
            is not None
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return urls

    @field_validator("discount_rrp")
    @classmethod
    def _a_discount(cls, discount: str, info: ValidationInfo) -> str:
        if info.data.get("calculate_rrp") and (not discount or _basis_points(discount) == 0):
            raise ValueError(
                "calculate_rrp wants the greatest discount as a percentage: write discount_rrp = 40 or so, or leave"
                " calculate_rrp out (guide L10)"
            )
        return discount

    @field_validator("offers")
    @classmethod
    def _an_hour_apart(cls, offers: OffersTable, info: ValidationInfo) -> OffersTable:
        if offers.interval < _HOUR and info.data.get("environment") != "sandbox":
            raise ValueError(
                "interval: La Redoute jams when stock and price feeds come more often than once an hour (guide L8); "
                'write "1h" or more, or leave it out. Only environment = "sandbox" may be faster'
            )
        if offers.delivery_days_min > offers.delivery_days_max:
            raise ValueError("delivery_days_min is more than delivery_days_max; swap them")
        if fault := vat.rate_fault(Decimal(offers.vat_rate), offers.vat_territory):
            raise ValueError(
                f"vat_rate: {fault}; write one of them as a fraction, such as 0.20, or another vat_territory:"
                f" {', '.join(vat.TERRITORIES)}"
            )
        return offers

    @property
    def feed_rules(self) -> Mapping[FeedKind, FeedRule]:
        """Items when they like (L2); stock, price, end and first offers together, an hour apart (L8)."""
        return {
            FeedKind.ITEM: FeedRule(
                kind=FeedKind.ITEM,
                parts=frozenset({Part.ITEM}),
                needs=ChannelStatus.ABSENT,
                ended_needs=ChannelStatus.ABSENT,
                needs_price=False,
                interval=timedelta(0),
                patience=self.items.patience,
                deadline=self.items.deadline,
                one_at_a_time=False,
            ),
            FeedKind.OFFER: FeedRule(
                kind=FeedKind.OFFER,
                parts=frozenset({Part.STOCK, Part.PRICE, Part.END}),
                needs=ChannelStatus.PRODUCT_INTEGRATED,
                ended_needs=ChannelStatus.OFFER_INTEGRATED,
                needs_price=True,
                interval=self.offers.interval,
                patience=self.offers.patience,
                deadline=self.offers.deadline,
                one_at_a_time=True,
            ),
        }

    @property
    def offer_terms(self) -> OfferTerms:
        """The stock rules, and what La Redoute's prices need: Discount RRP (L10) and the reductions' policy (L11)."""
        return replace(
            super().offer_terms,
            rrp_discount_bp=_basis_points(self.discount_rrp) if self.calculate_rrp else None,
            reduction_policy=self.offers.reductions,
            unknown_history=self.offers.unknown_history,
            sale_policy=self.offers.sales,
            less_eco=self.offers.prices_include_eco_contribution,
            vat_rate=Decimal(self.offers.vat_rate),
            period=timedelta(days=self.offers.period_days),
            nature=self.offers.offer_nature,
        )

    @property
    def item_limits(self) -> ItemLimits:
        """What La Redoute allows in an item (A4, L4)."""
        items = self.items
        return ItemLimits(
            items.sku_max,
            items.title_max,
            items.description_min,
            items.wanted_attributes,
            items.safety.terms if items.safety.check else None,
        )

    @property
    def photo_terms(self) -> PhotoTerms | None:
        """How large photos must be (C6); None where they are not to be looked at."""
        photos = self.items.photos
        return PhotoTerms(photos.least, photos.wanted) if photos.check else None

    @property
    def vat_territory(self) -> VatTerritory:
        """The list of VAT rates that a listing's own is held against (C4)."""
        return self.offers.vat_territory

    @property
    def update_answer_wait(self) -> timedelta:
        """The HTTP reply is the answer: nothing is waited for."""
        return timedelta(0)

    @property
    def accepts_in_stock(self) -> bool:
        """Whether orders are accepted by themselves when every line is in stock (L13)."""
        return self.orders.accept == "in_stock"

    def explain(self, code: str, text: str) -> Advice | None:
        """By the account's own catalogue of errors, then by the shipped one."""
        own = self.report.catalogue
        return (own.explain(code, text) if own else None) or shipped().explain(code, text)

    @property
    def service_urls(self) -> Mapping[str, str]:
        """The three services."""
        return {f"urls.{name}": url for name, url in self.urls}

    @property
    def sftp_logins(self) -> Mapping[str, SftpTable]:
        """The account's one SFTP login."""
        return {"sftp": self.sftp}


def _basis_points(percentage: str) -> int:
    whole, _, fraction = percentage.partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


_LIVE_HOSTS = frozenset(urlsplit(url).hostname for _, url in UrlsTable())


def _url_problem(url: str, *, environment: str, written: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        return f"not a URL ({error}); write it like https://host.example/path"
    if not host:
        return "not an absolute URL; write it like https://host.example/path"
    if parts.username is not None or parts.password is not None:
        return "no user or password in a URL; they belong to login.user and login.password"
    if host.rstrip(".") in _LIVE_HOSTS and (environment == "sandbox" or (environment == "uat" and not written)):
        # A try must not reach the shop by an oversight, and never faster than its hour.
        return f'{host} is La Redoute itself; for environment = "{environment}" write the address of that one'
    if parts.scheme == "https" or (parts.scheme == "http" and environment == "sandbox" and is_loopback(host)):
        return None
    if parts.scheme == "http":
        return (
            "http:// would send the password in clear; use https:// "
            '(http:// only to a loopback address with environment = "sandbox")'
        )
    return "only https:// is spoken here; write it like https://host.example/path"
