"""The item file, VendorItems, as La Redoute reads it (Sell-R A4)."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from daemon.sandbox.strict import WHOLE, Mistake, Node, document

NAMESPACE = "http://RedouteFrance/CAT-EXT-INTG/Product/VendorItems/1.0"

_EAN = re.compile(r"[0-9]{13}")
_CATEGORY = re.compile(r"S[0-9]+")
_BRAND = re.compile(r"B[0-9]+")
_ATTRIBUTE = re.compile(r"A[0-9]+")
_VALUE = re.compile(r"V[0-9]+")
_URL = re.compile(r"https?://[^\s/]+/\S+")
_EXTENSION = re.compile(r"[A-Za-z]{3,4}")
_MD5 = re.compile(r"[0-9A-Fa-f]{32}")
_MOST_PHOTOS = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What La Redoute says of one line of a feed; `code` and `text` are empty where it is good, or pending."""

    ean: str
    sku: str = ""
    code: str = ""
    text: str = ""
    part_number: str = ""
    pending: bool = False

    @property
    def good(self) -> bool:
        """Say whether the line was taken."""
        return not self.code


@dataclass(frozen=True, slots=True)
class Item:
    """One product as it was sent."""

    ean: str
    category: str
    product_id: str
    title: str
    description: str
    brand: str
    photos: tuple[str, ...]
    ranks: tuple[int, ...]
    attributes: tuple[tuple[str, str, bool], ...] = field(default=())


def check_digit_is_right(ean: str) -> bool:
    """Check 13 digits: weights 1 and 3 in turn, the last makes the sum a multiple of ten."""
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(ean)) % 10 == 0


def read_items(content: bytes, vendor_id: str) -> list[Item]:
    """Read an item file as a schema would: one wrong form and nothing of it is taken. Raises Mistake."""
    with document(content, NAMESPACE, "VendorItems") as root:
        items = [_item(node, vendor_id) for node in root.every("VendorItem")]
    if not items:
        raise Mistake("/VendorItems: no VendorItem")
    return items


def _item(node: Node, vendor_id: str) -> Item:
    with node:
        ean = node.value("EAN", _EAN)
        with node.next("Classification") as classification:
            category = classification.value("ClassificationValue", _CATEGORY)
        with node.next("Product") as product:
            product_id = product.value("ProductId")
            with product.next("ProductTitles") as titles:
                title = titles.value("ProductTitle", language="fr")
            with product.next("ProductDescriptions") as descriptions:
                description = descriptions.value("ProductDescription", language="fr")
            with product.next("ProductBrand") as brands:
                brand = brands.value("BrandCode", _BRAND)
            with product.next("Medias") as medias:
                photos = [_photo(media) for media in medias.every("Media")]
        with node.next("Vendor") as vendor:
            vendor.value("VendorId", vendor_id)
        attributes = _attributes(node)
    ranks, urls = tuple(rank for rank, _ in photos), tuple(url for _, url in photos)
    return Item(ean, category, product_id, title, description, brand, urls, ranks, attributes)


def _photo(node: Node) -> tuple[int, str]:
    with node:
        node.value("MediaType", "Photo")
        url = node.value("MediaURL", _URL)
        node.value("MediaEncoding", _EXTENSION)
        node.value("Checksum", _MD5)
        node.value("ChecksumType", "MD5")
        return int(node.value("PublicationRank", WHOLE)), url


def _attributes(node: Node) -> tuple[tuple[str, str, bool], ...]:
    if not node.has_next("Attributes"):
        return ()
    with node.next("Attributes") as attributes:
        return tuple(_attribute(attribute) for attribute in attributes.every("Attribute"))


def _attribute(node: Node) -> tuple[str, str, bool]:
    with node:
        code = node.value("AttributeCode", _ATTRIBUTE)
        declinable = node.value("IsDeclinable", re.compile("true|false")) == "true"
        with node.next("AttributeValues") as values:
            value = values.value("AttributeValueCode", _VALUE)
            values.value("AttributeValueLabel", language="fr")
    return code, value, declinable


def judge_items(items: Sequence[Item], brands: Collection[str] | None = None) -> list[Verdict]:
    """Judge each item by the rules that a schema cannot say; part numbers are not given here.

    `brands` are those that the seller may sell, None is all.
    """
    seen = Counter(item.ean for item in items)
    return [_judge(item, seen[item.ean], brands) for item in items]


def _judge(item: Item, times: int, brands: Collection[str] | None) -> Verdict:
    if not check_digit_is_right(item.ean):
        return Verdict(item.ean, code="E002", text="EAN NOT VALID")
    if times > 1:
        return Verdict(item.ean, code="E003", text="EAN MORE THAN ONCE IN FILE")
    if not 1 <= len(item.photos) <= _MOST_PHOTOS:
        return Verdict(item.ean, code="E004", text=f"{len(item.photos)} PHOTOS, 1 TO 8 EXPECTED")
    if item.ranks != tuple(range(1, len(item.photos) + 1)):
        return Verdict(item.ean, code="E005", text="PHOTO RANKS MUST RUN FROM 1")
    if len(set(item.photos)) < len(item.photos):
        return Verdict(item.ean, code="E006", text="PHOTO MORE THAN ONCE")
    if brands is not None and item.brand not in brands:
        return Verdict(item.ean, code="E011", text=f"MARQUE NON AUTORISÉE: {item.brand}")
    return Verdict(item.ean)
