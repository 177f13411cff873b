"""What the seller says of a listing, as the columns that keep it, and back."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Protocol

from daemon.model import Attribute, Item, Levies, ListingFault, Photo, StockExtras, StockKnobs
from daemon.rules import safety

#: the columns of the stock knobs, in the order of `StockKnobs`
KNOBS = ("safety_stock", "stock_percentage", "stock_cap", "stock_threshold")
#: fields that items did not have from the start: left out where empty, so that an item that was kept before them stays
#: equal to itself, and is not sent again for nothing
_LATER = frozenset(safety.FIELDS) - {"manufacturer"}

_NO_ITEM, _NO_EXTRAS = Item(), StockExtras()


class Columns(Protocol):
    """Columns of a listing by name: of its row, or of what that is to be."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of a column."""


def item_to_json(item: Item) -> str:
    """An item as it is kept; equal items give equal texts."""
    kept = {name: value for name, value in asdict(item).items() if value or name not in _LATER}
    return json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def item_from_json(text: str) -> Item:
    """The item that `item_to_json` kept; an empty object is an item of which nothing is known."""
    if text == "{}":
        return _NO_ITEM
    fields = json.loads(text)
    return Item(
        **{
            **fields,
            "photos": tuple(Photo(**photo) for photo in fields.get("photos", ())),
            "attributes": tuple(Attribute(**attribute) for attribute in fields.get("attributes", ())),
        }
    )


def warnings_to_json(warnings: Sequence[ListingFault]) -> str:
    """What is doubtful in a listing, as it is kept."""
    return json.dumps([asdict(warning) for warning in warnings], ensure_ascii=False, separators=(",", ":"))


def knobs_of(row: Columns) -> StockKnobs:
    """The listing's own stock knobs."""
    return StockKnobs(row["safety_stock"], row["stock_percentage"], row["stock_cap"], row["stock_threshold"])


def knob_columns(knobs: StockKnobs) -> dict[str, int | None]:
    """The columns of a listing's own stock knobs."""
    return dict(zip(KNOBS, (knobs.safety_stock, knobs.percentage, knobs.cap, knobs.threshold), strict=True))


def extras_of(kept: str) -> StockExtras:
    """What a listing says beside its units, from the JSON that is kept."""
    return _NO_EXTRAS if kept == "{}" else StockExtras(**json.loads(kept))


def extras_to_json(extras: StockExtras) -> str:
    """What a listing says beside its units, as it is kept; equal extras give equal texts."""
    return json.dumps({name: text for name, text in asdict(extras).items() if text}, ensure_ascii=False)


def vat_rate_of(basis_points: int | None) -> Decimal | None:
    """A VAT rate as a fraction, from the hundredths of a percent that are kept."""
    return None if basis_points is None else Decimal(basis_points) / 10_000


def levies_of(row: Columns) -> Levies:
    """The listing's own VAT rate and its eco-contribution."""
    return Levies(vat_rate_of(row["vat_bp"]), row["eco_minor"], row["epr_code"])


def levy_columns(levies: Levies) -> dict[str, int | str | None]:
    """The columns of a listing's own VAT rate, to the hundredth of a percent, and of its eco-contribution."""
    basis_points = None if levies.vat_rate is None else int(levies.vat_rate * 10_000)
    return {"vat_bp": basis_points, "eco_minor": levies.eco_minor, "epr_code": levies.epr_code}
