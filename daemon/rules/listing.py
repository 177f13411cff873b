"""What a listing needs before it is worth a feed, what in it is doubtful, and what may never change (L4, L5, C5-C9).

An error holds the listing back; a warning goes with it. What only third parties report as a limit, or what a
heuristic finds, is a warning: a rule that is not certain must not stop a seller from selling.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from daemon.model import Attribute, Item, ItemLimits, ListingFault, Photo, Sku
from daemon.rules import french, html, safety

#: photos of one item (guide L4, consumer rules C6)
MOST_PHOTOS = 8

_EAN = re.compile(r"[0-9]{13}")
#: characters of an article number of any form (Edge section 3b)
_LONGEST_PART = 255
#: forms of the marketplace's own codes (Sell-R A4)
_CATEGORY, _BRAND = re.compile(r"S[0-9]+"), re.compile(r"B[0-9]+")
_ATTRIBUTE, _VALUE = re.compile(r"A[0-9]+"), re.compile(r"V[0-9]+")
_PICTURES = frozenset({"", ".jpg", ".jpeg", ".png", ".gif", ".webp"})
#: GS1 keeps these for numbers inside one shop; not looked up, therefore a warning (C5)
_RESTRICTED = ("02", "04", *(str(prefix) for prefix in range(20, 30)))

#: name in the item → in words
_IMMUTABLE = {
    "ean": "the EAN",
    "manufacturer": "the manufacturer",
    "manufacturer_part_number": "the manufacturer part number",
}

Found = Iterator[ListingFault]


@dataclass(frozen=True, slots=True)
class Category:
    """A category of the taxonomy: whether items may stand in it, and which attributes it asks for (codes).

    `declines` are those in which its variants differ, such as colour and size.
    """

    code: str
    label: str
    leaf: bool
    required: tuple[str, ...] = ()
    declines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """Codes of the marketplace as far as they were imported; a kind that is None was not, and is not checked.

    It need only hold the codes that the checked items name. `attributes` are values by attribute: code → French label.
    An attribute without values takes any.
    """

    categories: Mapping[str, Category] | None = None
    attributes: Mapping[str, Mapping[str, str]] | None = None
    brands: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a listing (it is not sent), and what is doubtful (it is)."""

    faults: list[ListingFault] = field(default_factory=list)
    warnings: list[ListingFault] = field(default_factory=list)

    @property
    def error(self) -> str:
        """The faults as one text; empty where there are none."""
        return "; ".join(fault.text for fault in self.faults)


def judge(sku: Sku, item: Item, reference: Reference, limits: ItemLimits) -> Verdict:
    """Everything that is wrong with a listing and everything doubtful, all at once (L4, L5)."""
    return Verdict(faults(sku, item, reference, limits), warnings(item, reference, limits))


def faults(sku: Sku, item: Item, reference: Reference, limits: ItemLimits) -> list[ListingFault]:
    """Everything for which a listing would be sent in vain, in the order of its fields (L4, L5)."""
    return [
        *_of_sku(sku, limits),
        *_of_ean(item.ean),
        *_of_category(item.category, reference),
        *_given("product_id", "the product id", item.product_id, "write what its variants have in common"),
        *_given("master_sku", "the master SKU", item.master_sku, "write the SKU of the main variant, or its own"),
        *_given("title", "the title", item.title, "write what it is, in French"),
        *_of_description(item.description, limits),
        *_of_brand(item.brand, reference),
        *_given("catalogue_id", "the catalogue id", item.catalogue_id, "La Redoute tells it in the seller portal"),
        *_of_attributes(item.attributes, reference),
        *_of_taxonomy(item, reference),
        *_of_photos(item.photos),
    ]


def warnings(item: Item, reference: Reference, limits: ItemLimits) -> list[ListingFault]:
    """Everything doubtful about a listing that is sent all the same (L5, C5-C7, C9)."""
    return [
        *_doubts_of_ean(item.ean),
        *_doubts_of_title(item.title, limits),
        *_doubts_of_language(item),
        *_doubts_of_labels(item.attributes, reference),
        *_doubts_of_photos(item.photos),
        *_doubts_of_safety(item.attributes, limits),
        *safety.doubts(item, limits.safety),
    ]


def immutable_changes(kept: Item, wanted: Item) -> list[ListingFault]:
    """What may not change any more once the marketplace has created the product, and would (L4).

    What was never given may still be filled in.
    """
    return [
        ListingFault(
            name,
            "L4",
            f"{words} was {before!r} when the product was created, and cannot change",
            "put the old value back; for another article, end this listing and import it under an SKU of its own",
        )
        for name, words in _IMMUTABLE.items()
        if (before := getattr(kept, name)) and getattr(wanted, name) != before
    ]


def check_digit(first_twelve: str) -> str:
    """The thirteenth digit of an EAN-13: weights 1 and 3 by turns over the first twelve (consumer rules C5)."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first_twelve))
    return str(-total % 10)


def ean_fault(ean: str) -> str:
    """What is wrong with an EAN-13 and how to mend it, in one sentence; empty when nothing is (C5)."""
    if not ean:
        return "the EAN is missing"
    if not _EAN.fullmatch(ean):
        return f"the EAN {ean!r} is not 13 digits"
    wanted = check_digit(ean[:12])
    if ean[12] != wanted:
        return f"the EAN {ean} has a wrong check digit: it ends in {ean[12]} where {wanted} was expected"
    return ""


def part_number_fault(channel_item_id: str, digits: int | None) -> str:
    """What is wrong with a retailer's own article number of so many digits, or of any form (J2); empty for nothing."""
    form = f" of {digits} digits" if digits else ""
    if not channel_item_id:
        return f"the channel item id is missing: it is the marketplace's own article number{form}"
    right = re.fullmatch(f"[0-9]{{{digits}}}", channel_item_id) if digits else len(channel_item_id) <= _LONGEST_PART
    return "" if right else f"the channel item id {channel_item_id!r} is not the marketplace's article number{form}"


def is_absolute_url(url: str) -> bool:
    """Whether it is an http or https URL with a host and nothing that a browser would have to guess."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", url)
    except ValueError:
        return False


def _of_sku(sku: Sku, limits: ItemLimits) -> Found:
    if len(sku) > limits.sku_max:
        text = f"the SKU has {len(sku)} characters, and at most {limits.sku_max} are taken"
        yield ListingFault("sku", "L4", text, "import it under a shorter SKU")


def _of_ean(ean: str) -> Found:
    if fault := ean_fault(ean):
        yield ListingFault("ean", "L4", fault, "copy it from the packaging, in a column formatted as text")


def _given(name: str, words: str, value: str, fix: str) -> Found:
    if not value.strip():
        yield ListingFault(name, "L4", f"{words} is missing", fix)


def _of_category(code: str, reference: Reference) -> Found:
    fix = "take the code of a leaf from the marketplace's taxonomy; see: sellerd reference list categories"
    if not code.strip():
        yield ListingFault("category", "L4", "the leaf category is missing", fix)
    elif not _CATEGORY.fullmatch(code):
        text = f"the leaf category {code!r} is no code of the form S and digits"
        yield ListingFault("category", "L4", text, fix)
    elif reference.categories is not None:
        category = reference.categories.get(code)
        if category is None:
            yield ListingFault("category", "L4", f"the category {code} is not in the imported taxonomy", fix)
        elif not category.leaf:
            yield ListingFault("category", "L4", f"the category {code} ({category.label}) is no leaf", fix)


def _of_brand(code: str, reference: Reference) -> Found:
    fix = "take the code that La Redoute gave for the brand; see: sellerd reference list brands"
    if not code.strip():
        yield ListingFault("brand", "L4", "the brand code is missing", fix)
    elif not _BRAND.fullmatch(code):
        yield ListingFault("brand", "L4", f"the brand code {code!r} is no code of the form B and digits", fix)
    elif reference.brands is not None and code not in reference.brands:
        yield ListingFault("brand", "L4", f"the brand {code} is not in the imported brands", fix)


def _of_description(description: str, limits: ItemLimits) -> Found:
    if not description.strip():
        yield from _given("description", "the description", "", "describe it in French, formatted by HTML")
        return
    length = len(html.plain(description))
    if length < limits.description_min:
        text = f"the description has {length} characters of text, and at least {limits.description_min} are wanted"
        yield ListingFault("description", "L4", text, "describe it in whole sentences")
    for problem, fix in html.problems(description):
        yield ListingFault("description", "L5", f"in the description, {problem}", fix)


def _of_attributes(attributes: tuple[Attribute, ...], reference: Reference) -> Found:
    times = Counter(attribute.code for attribute in attributes)
    declining = {attribute.code for attribute in attributes if attribute.declinable}
    told: set[str] = set()
    for each in attributes:
        yield from _of_attribute(each, reference)
        again = times[each.code] > 1 and each.code in declining
        if again and each.code not in told:
            told.add(each.code)
            text = f"the attribute {each.code} declines, and is there {times[each.code]} times"
            yield ListingFault("attributes", "L4", text, "keep the one value of this variant")
    pairs = Counter((attribute.code, attribute.value_code) for attribute in attributes)
    for (code, value), count in pairs.items():
        if count > 1 and code not in declining:
            text = f"the attribute {code} has the value {value} more than once"
            yield ListingFault("attributes", "L4", text, "keep one of them")


def _of_attribute(each: Attribute, reference: Reference) -> Found:
    fix = "write it like A0485*=V123|Rouge; see: sellerd reference list attributes"
    if not _ATTRIBUTE.fullmatch(each.code):
        text = f"the attribute {each.code!r} is no code of the form A and digits"
        yield ListingFault("attributes", "L4", text, fix)
    elif not _VALUE.fullmatch(each.value_code):
        text = f"the value {each.value_code!r} of the attribute {each.code} is no code of the form V and digits"
        yield ListingFault("attributes", "L4", text, fix)
    elif reference.attributes is not None:
        values = reference.attributes.get(each.code)
        if values is None:
            text = f"the attribute {each.code} is not in the imported attributes"
            yield ListingFault("attributes", "L4", text, fix)
        elif values and each.value_code not in values:
            text = f"the attribute {each.code} has no value {each.value_code} in the imported attributes"
            yield ListingFault("attributes", "L4", text, fix)
    if not each.label.strip():
        text = f"the value {each.value_code} of the attribute {each.code} has no French label"
        yield ListingFault("attributes", "L4", text, "write it behind the code: V123|Rouge")


def _of_taxonomy(item: Item, reference: Reference) -> Found:
    """What the leaf category asks for: its attributes, and those in which it declines as variation axes."""
    category = (reference.categories or {}).get(item.category)
    if category is None:
        return
    here = {attribute.code for attribute in item.attributes}
    declining = {attribute.code for attribute in item.attributes if attribute.declinable}
    for code in category.declines:
        if code not in declining:
            text = f"the category {category.code} ({category.label}) declines by the attribute {code}, which "
            text += "has no star" if code in here else "is missing"
            yield ListingFault("attributes", "L4", text, f"write it as a variation axis: {code}*=V…|…")
    for code in category.required:
        if code not in here and code not in category.declines:
            text = f"the category {category.code} ({category.label}) asks for the attribute {code}"
            yield ListingFault("attributes", "L4", text, f"give it a value: {code}=V…|…")


def _of_photos(photos: tuple[Photo, ...]) -> Found:
    """1 to 8 photos, each with an absolute http(s) URL and a rank of its own, none twice (L4, C6)."""
    if not photos:
        yield ListingFault("photos", "L4", "the main photo is missing", "give the URL of one in photo_1")
        return
    if len(photos) > MOST_PHOTOS:
        text = f"there are {len(photos)} photos, and at most {MOST_PHOTOS} are taken"
        yield ListingFault("photos", "L4", text, "keep the best")
    if sorted(photo.rank for photo in photos) != list(range(1, len(photos) + 1)):
        text = "the ranks of the photos are not 1, 2, 3 and so on"
        yield ListingFault("photos", "L4", text, "number them from 1, the main photo, without gaps")
    urls = Counter(photo.url for photo in photos)
    for url, times in urls.items():
        if not is_absolute_url(url):
            text = f"the photo {url!r} is not an absolute http(s) URL"
            yield ListingFault("photos", "L4", text, "write it whole, like https://pictures.example/lamp.jpg")
        if times > 1:
            yield ListingFault("photos", "L4", f"the photo {url} is there more than once", "keep one of them")


def _doubts_of_ean(ean: str) -> Found:
    if not ean_fault(ean) and ean.startswith(_RESTRICTED):
        text = f"the EAN {ean} begins with {ean[:2]}, which is kept for numbers inside one shop"
        yield ListingFault("ean", "C5", text, "make sure that it is the maker's own number")


def _doubts_of_title(title: str, limits: ItemLimits) -> Found:
    if len(title) > limits.title_max:
        text = f"the title has {len(title)} characters, and more than {limits.title_max} may be cut off"
        yield ListingFault("title", "C7", text, "shorten it, or raise items.title_max")


def _doubts_of_language(item: Item) -> Found:
    if doubt := french.doubt(f"{item.title} {html.plain(item.description)}"):
        text = f"the description may not be French: {doubt}"
        yield ListingFault("description", "L5", text, "have it translated; if it is French, pass this over")


def _doubts_of_labels(attributes: tuple[Attribute, ...], reference: Reference) -> Found:
    for each in attributes:
        label = (reference.attributes or {}).get(each.code, {}).get(each.value_code, "")
        if label and label != each.label:
            text = f"the value {each.value_code} of the attribute {each.code} is {label!r} in the imported attributes"
            yield ListingFault("attributes", "L4", f"{text}, and {each.label!r} here", "make sure of the code")


def _doubts_of_photos(photos: tuple[Photo, ...]) -> Found:
    for photo in photos:
        extension = posixpath.splitext(urlsplit(photo.url).path)[1].lower() if is_absolute_url(photo.url) else ""
        if extension not in _PICTURES:
            text = f"the photo {photo.url} ends in {extension}, which is no picture"
            yield ListingFault("photos", "C6", text, "give the URL of a jpg or png")


def _doubts_of_safety(attributes: tuple[Attribute, ...], limits: ItemLimits) -> Found:
    here = {attribute.code for attribute in attributes}
    for code in limits.wanted_attributes:
        if code not in here:
            text = f"the attribute {code} is missing, which every item should have (product safety)"
            yield ListingFault("attributes", "C9", text, "give it a value")
