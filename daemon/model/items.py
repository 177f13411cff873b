"""The catalogue part of a listing: what an item says, who answers for its safety, and what a marketplace asks of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of an item; rank 1 is the main one."""

    url: str
    rank: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """One taxonomy attribute: codes of the marketplace with the French label; declinable ones are variation axes."""

    code: str
    value_code: str
    label: str
    declinable: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """The catalogue part of a listing (L4); from `manufacturer` on, who answers for its safety (C9)."""

    ean: str = ""
    category: str = ""
    product_id: str = ""
    master_sku: str = ""
    title: str = ""
    description: str = ""
    brand: str = ""
    catalogue_id: str = ""
    photos: tuple[Photo, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    manufacturer: str = ""
    manufacturer_part_number: str = ""
    manufacturer_address: str = ""
    manufacturer_email: str = ""
    manufacturer_country: str = ""
    responsible_name: str = ""
    responsible_address: str = ""
    responsible_email: str = ""
    safety_warnings: str = ""


@dataclass(frozen=True, slots=True)
class Safety:
    """Who made a product, who is responsible for it in the EU, and the warnings that a buyer must read (C9).

    `manufacturer_country` is ISO 3166 in two letters. The names are those of `Item`.
    """

    manufacturer: str = ""
    manufacturer_address: str = ""
    manufacturer_email: str = ""
    manufacturer_country: str = ""
    responsible_name: str = ""
    responsible_address: str = ""
    responsible_email: str = ""
    safety_warnings: str = ""


@dataclass(frozen=True, slots=True)
class SafetyTerms:
    """What an account says of its products where a listing does not, and in which attributes it goes out.

    `codes` are by the field of `Safety`; what has none is kept and not sent.
    """

    defaults: Safety = field(default_factory=Safety)
    codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemLimits:
    """What a marketplace allows in an item where that is no law of nature (L4, L5), lengths in characters.

    `description_min` counts the text without its markup; `wanted_attributes` are the codes of those that the law asks
    for in every item, such as the maker's address (consumer rules C9). `safety` is None where nobody asks who answers
    for a product.
    """

    sku_max: int = 32
    title_max: int = 50
    description_min: int = 10
    wanted_attributes: tuple[str, ...] = ()
    safety: SafetyTerms | None = None


@dataclass(frozen=True, slots=True)
class PhotoTerms:
    """How large photos must be on each side, and how large they had better be, in pixels (C6)."""

    least: int
    wanted: int
