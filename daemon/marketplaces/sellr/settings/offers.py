"""Stock and price feeds: how often, with what terms, and by which rules of the trade prices are judged (A5, L6-L11)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from daemon.marketplaces.sellr.settings.forms import DecimalText
from daemon.model import ChannelStatus, FeedKind, FeedRule, OfferTerms, Part, VatTerritory
from daemon.rules import vat
from daemon.settings import Duration, Table

#: guide L8: never less than this between the end of one stock and price feed and the start of the next
HOUR = timedelta(hours=1)


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

    interval: Duration = HOUR
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

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.delivery_days_min > self.delivery_days_max:
            raise ValueError("delivery_days_min is more than delivery_days_max; swap them")
        if fault := vat.rate_fault(Decimal(self.vat_rate), self.vat_territory):
            raise ValueError(
                f"vat_rate: {fault}; write one of them as a fraction, such as 0.20, or another vat_territory:"
                f" {', '.join(vat.TERRITORIES)}"
            )
        return self

    @property
    def rule(self) -> FeedRule:
        """Stock, price, end and first offers together, an interval apart (L8)."""
        return FeedRule(
            kind=FeedKind.OFFER,
            parts=frozenset({Part.STOCK, Part.PRICE, Part.END}),
            needs=ChannelStatus.PRODUCT_INTEGRATED,
            ended_needs=ChannelStatus.OFFER_INTEGRATED,
            needs_price=True,
            interval=self.interval,
            patience=self.patience,
            deadline=self.deadline,
            one_at_a_time=True,
        )

    def refine(self, terms: OfferTerms) -> OfferTerms:
        """Terms with what is said here of prices: the reductions' policy (L11), VAT and the eco-contribution."""
        return replace(
            terms,
            reduction_policy=self.reductions,
            unknown_history=self.unknown_history,
            sale_policy=self.sales,
            less_eco=self.prices_include_eco_contribution,
            vat_rate=Decimal(self.vat_rate),
            period=timedelta(days=self.period_days),
            nature=self.offer_nature,
        )
