"""What an account at La Redoute (Sell-R) is configured with; every wire fact that is not known is a setting here."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from daemon.marketplaces.sellr.errors import shipped
from daemon.marketplaces.sellr.settings.forms import Percentage
from daemon.marketplaces.sellr.settings.items import ItemsTable
from daemon.marketplaces.sellr.settings.offers import HOUR, OffersTable
from daemon.marketplaces.sellr.settings.orders import OrdersTable
from daemon.marketplaces.sellr.settings.reports import ReportTable
from daemon.marketplaces.sellr.settings.urls import UrlsTable, urls_fault
from daemon.model import (
    Advice,
    FeedKind,
    FeedRule,
    ItemLimits,
    LegalMoves,
    LineState,
    OfferTerms,
    PhotoTerms,
    UpdateKind,
    VatTerritory,
)
from daemon.settings import AccountSettings, Secret, SftpTable, Table, TimeZone

Folder = Annotated[str, Field(min_length=1)]


class LoginTable(Table):
    """The user and password of the services (HTTP Basic, A2)."""

    user: str = Field(min_length=1, pattern="^[^:]*$")
    password: Secret


class TokensTable(Table):
    """The three keys that go into the bodies of requests (A2)."""

    create_items: Secret
    read_orders: Secret
    update_orders: Secret


class FoldersTable(Table):
    """The folders of the account's SFTP (guide L17: ours, nothing is public)."""

    reports: Folder = "reports"
    orders: Folder = "orders"
    archive: Folder = "archive"


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
        if fault := urls_fault(urls, info.data.get("environment", "live")):
            raise ValueError(fault)
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
        if offers.interval < HOUR and info.data.get("environment") != "sandbox":
            raise ValueError(
                "interval: La Redoute jams when stock and price feeds come more often than once an hour (guide L8); "
                'write "1h" or more, or leave it out. Only environment = "sandbox" may be faster'
            )
        return offers

    @property
    def feed_rules(self) -> Mapping[FeedKind, FeedRule]:
        """Items when they like (L2); stock, price, end and first offers together, an hour apart (L8)."""
        return {FeedKind.ITEM: self.items.rule, FeedKind.OFFER: self.offers.rule}

    @property
    def offer_terms(self) -> OfferTerms:
        """The stock rules, and what La Redoute's prices need: Discount RRP (L10) and the reductions' policy (L11)."""
        discount = _basis_points(self.discount_rrp) if self.calculate_rrp else None
        return replace(self.offers.refine(super().offer_terms), rrp_discount_bp=discount)

    @property
    def item_limits(self) -> ItemLimits:
        """What La Redoute allows in an item (A4, L4)."""
        return self.items.limits

    @property
    def photo_terms(self) -> PhotoTerms | None:
        """How large photos must be (C6); None where they are not to be looked at."""
        return self.items.photos.terms

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
