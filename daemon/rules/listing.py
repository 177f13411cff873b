"""What a listing needs before it is worth a feed: an EAN with its check digit, and the fields of every item."""

import re
from urllib.parse import urlsplit

from daemon.model import Item, Photo

#: photos of one item (guide L4, consumer rules C6)
MOST_PHOTOS = 8

_MANDATORY = {
    "category": "the leaf category",
    "product_id": "the product id",
    "title": "the title",
    "description": "the description",
    "brand": "the brand code",
}
_EAN = re.compile(r"[0-9]{13}")
_STOCK_NUMBER = re.compile(r"[0-9]{8}")


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


def stock_number_fault(channel_item_id: str) -> str:
    """What is wrong with a retailer's own article number, which is 8 digits (J2); empty when nothing is."""
    if _STOCK_NUMBER.fullmatch(channel_item_id):
        return ""
    if not channel_item_id:
        return "the channel item id is missing: it is the marketplace's own article number of 8 digits"
    return f"the channel item id {channel_item_id!r} is not the marketplace's article number of 8 digits"


def faults(item: Item) -> list[str]:
    """Everything without which an item would be sent in vain, one sentence each, all at once (L4)."""
    found = [fault for fault in (ean_fault(item.ean),) if fault]
    found += [f"{words} is missing" for name, words in _MANDATORY.items() if not getattr(item, name).strip()]
    return found + photo_faults(item.photos)


def photo_faults(photos: tuple[Photo, ...]) -> list[str]:
    """1 to 8 photos, each with an absolute http(s) URL and a rank of its own, none twice (L4, C6)."""
    if not photos:
        return ["the main photo is missing"]
    found = []
    if len(photos) > MOST_PHOTOS:
        found.append(f"there are {len(photos)} photos, and at most {MOST_PHOTOS} are taken")
    if sorted(photo.rank for photo in photos) != list(range(1, len(photos) + 1)):
        found.append("the ranks of the photos are not 1, 2, 3 and so on")
    urls = [photo.url for photo in photos]
    found += [f"the photo {url!r} is not an absolute http(s) URL" for url in urls if not is_absolute_url(url)]
    found += [f"the photo {url} is there more than once" for url in dict.fromkeys(urls) if urls.count(url) > 1]
    return found


def is_absolute_url(url: str) -> bool:
    """Whether it is an http or https URL with a host and nothing that a browser would have to guess."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", url)
    except ValueError:
        return False
