"""What an account makes of the seller's figures before they are sent, and which changes wait for a person."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

#: Whose VAT rates a rate is held against (consumer rule C4). `any` is for sellers for whom none of the lists is right:
#: every rate below 100 % is taken there, 0 included.
VatTerritory = Literal["mainland", "corsica", "dom", "any"]


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """What an account makes of the seller's figures before they are sent (L6, L10, L11); the default changes nothing.

    Of the stock, less the reservation of open orders and `safety_stock`, `percentage` is offered, at most `cap`, and
    none where that is less than `threshold`. `rrp_discount_bp` is Discount RRP in hundredths of a percent, None with
    Calculate RRP off. `reduction_policy` says what becomes of a reduction that breaks C1 or C2, `unknown_history` of
    one for which no earlier price is known, `sale_policy` of one that does not keep to the sale that it names (C3).
    `less_eco` says that the seller's prices include the eco-contribution and that what is sent must not (C8).
    `vat_rate` is that of listings without their own, a fraction (C4). `period` and `nature` are those of an offer
    without a promotion.
    `stock_form` stands for whatever else of the account goes into each row of stock, such as its lead time.
    """

    safety_stock: int = 0
    percentage: int = 100
    cap: int | None = None
    threshold: int = 0
    reserve_open_orders: bool = False
    rrp_discount_bp: int | None = None
    reduction_policy: Literal["warn", "block"] = "warn"
    unknown_history: Literal["allow", "warn", "block"] = "warn"
    sale_policy: Literal["warn", "block"] = "warn"
    less_eco: bool = False
    vat_rate: Decimal | None = None
    period: timedelta | None = None
    nature: str = ""
    stock_form: str = ""


@dataclass(frozen=True, slots=True)
class GuardTerms:
    """Which changes of an account look like a mistake and wait for a person; the default holds nothing back.

    All but the spans are percentages and numbers of listings, and 0 is never. `price_fall` and `price_rise` are against
    the last price that was accepted, `promotion_fall` what a promotion may take off. Of the listings that sell,
    `zero_share` may go to zero and `end_share` may end within `window`, and from `least` on that is too many. A held
    zero leaves by itself after `zero_expiry` (zero: never).
    """

    price_fall: int = 0
    price_rise: int = 0
    promotion_fall: int = 0
    zero_share: int = 0
    zero_least: int = 1
    end_share: int = 0
    end_least: int = 1
    window: timedelta = timedelta()
    zero_expiry: timedelta = timedelta()

    @property
    def on(self) -> bool:
        """Whether anything can be held back."""
        return any((self.price_fall, self.price_rise, self.promotion_fall, self.zero_share, self.end_share))
