"""A listing in the words of the import columns, and what an import would change of it, field by field (guide S1)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from daemon.model import Attribute, Item, Promotion
from daemon.rules import safety
from daemon.store.snapshots import Snapshot

_TEXTS = (
    *("category", "product_id", "master_sku", "title", "description", "brand", "catalogue_id"),
    "manufacturer_part_number",
    *safety.FIELDS,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one row of a file changes: the column, the value that is kept, and the one that takes its place."""

    line: int
    key: str
    field: str
    old: str
    new: str


def fields(listing: Snapshot) -> dict[str, str]:
    """A listing by the columns of the import files; an empty text is nothing. Promotions are told by their start."""
    knobs = listing.knobs
    return {
        "channel_item_id": listing.channel_item_id,
        **item_fields(listing.item),
        "end": "yes" if listing.ended else "no",
        "handling_days": _number(listing.handling_days),
        **asdict(listing.extras),
        "safety_stock": _number(knobs.safety_stock),
        "stock_percentage": _number(knobs.percentage),
        "stock_cap": _number(knobs.cap),
        "stock_threshold": _number(knobs.threshold),
        "vat_rate": "" if listing.levies.vat_rate is None else f"{(listing.levies.vat_rate * 100).normalize():f}",
        "eco_contribution": decimal(listing.levies.eco_minor),
        "epr_code": listing.levies.epr_code,
        "stock": _number(listing.stock),
        "price": decimal(listing.price_minor),
        "rrp": decimal(listing.rrp_minor),
        **{f"promotion from {each.starts_at.isoformat()}": _promotion(each) for each in listing.promotions},
    }


def item_fields(item: Item) -> dict[str, str]:
    """The catalogue part by the columns of the import files."""
    return {
        "ean": item.ean,
        **{name: getattr(item, name) for name in _TEXTS},
        **{f"photo_{photo.rank}": photo.url for photo in item.photos},
        "attributes": "; ".join(map(_attribute, item.attributes)),
    }


def changes(before: Snapshot | None, after: Snapshot | None) -> Iterator[tuple[str, str, str]]:
    """Every field that differs, with what it was and what it is."""
    old, new = (fields(listing) if listing else {} for listing in (before, after))
    for name in {**old, **new}:
        was, now = old.get(name, ""), new.get(name, "")
        # A listing that was not there was not on sale either: its "no" is no news.
        if was != now and (before is not None or (name, now) != ("end", "no")):
            yield name, was, now


def decimal(minor: int | None) -> str:
    """Minor units as a decimal text, empty for none: 4990 is 49.90."""
    return "" if minor is None else f"{minor // 100}.{minor % 100:02d}"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _attribute(attribute: Attribute) -> str:
    star = "*" if attribute.declinable else ""
    return f"{attribute.code}{star}={attribute.value_code}|{attribute.label}"


def _promotion(promotion: Promotion) -> str:
    until = f"{decimal(promotion.price.minor)} until {promotion.ends_at.isoformat()}"
    return ", ".join(filter(None, (until, promotion.nature, promotion.sale)))
