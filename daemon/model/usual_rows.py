"""The row of a feed as it is written for a usual listing, as data, so that the database can write it by itself."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Words:
    """The place of a text in a usual row, by the name that `FeedObject` has for it."""

    of: Literal["sku", "ean", "channel_item_id"]


@dataclass(frozen=True, slots=True)
class Count:
    """The place of a whole number in a usual row; `otherwise` stands for none, and `plus` is added to either."""

    of: Literal["stock", "handling_days"]
    otherwise: int = 0
    plus: int = 0


@dataclass(frozen=True, slots=True)
class Amount:
    """The place of an amount in a usual row, with a dot and two decimals.

    `price` is what the buyer pays; `highest` the reference beside it where that is higher, else the price.
    """

    of: Literal["price", "highest"]


@dataclass(frozen=True, slots=True)
class Rate:
    """The place of the listing's own VAT rate in a usual row, a fraction with two decimals at least."""

    otherwise: str


@dataclass(frozen=True, slots=True)
class Promoted:
    """The place of what the promotion of a listing says in a usual row; `otherwise` stands there without a promotion.

    It is its nature, where it names one, or the minute in UTC in which it begins, or after which its last instant lies.
    """

    of: Literal["nature", "starts_at", "ends_at"]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Extra:
    """The place of something that the stock extras of a listing may say in a usual row; `otherwise` stands there."""

    otherwise: str = ""


#: A row of a feed as it is written for a usual listing: texts as they stand, and between them the places of values. A
#: usual listing has no stock extras where there is a place for one, is in no promotion unless there is a place for it,
#: has a price where an amount is asked for, and its texts are of the letters, digits and marks that no format quotes.
UsualRow = tuple[str | Words | Count | Amount | Rate | Promoted | Extra, ...]
