"""The item file of Sell-R: `VendorItems`, written row by row (Sell-R A4, guide L2, L5)."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from hashlib import md5
from html.entities import codepoint2name
from urllib.parse import urlsplit

from daemon.errors import Refused
from daemon.marketplaces.sellr import xmlread
from daemon.marketplaces.sellr.envelopes import SOAP_11, element_text, envelope, fault
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.marketplaces.sellr.settings.items import ItemsTable
from daemon.marketplaces.sellr.wire import cdata, clean, content
from daemon.model import Attribute, FeedObject, Item, Photo
from daemon.rules.html import canonical
from daemon.rules.safety import of_item

NAMESPACE = "http://RedouteFrance/CAT-EXT-INTG/Product/VendorItems/1.0"
ACTION = "http://RedouteFrance/seller/items/1.1"

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def request(api_key: str) -> bytes:
    """The envelope that goes before the item file; the key is in it, so it is never kept (A3)."""
    return envelope(
        SOAP_11,
        f'<attachment/><ns:injectItems xmlns:ns="{ACTION}"><api-key>{content(api_key)}</api-key></ns:injectItems>',
    )


def read_reply(document: xmlread.Node) -> str:
    """The BatchId of the reply, empty where it gives none (its structure is unknown: A9, 4); raises Refused."""
    told = fault(document)
    if told is not None:
        raise Refused(told.text, told.code)
    return element_text(document, "BatchId")


def entities(html: str) -> str:
    """HTML with every letter beyond ASCII as an entity, named where HTML has a name for it; the markup stays (L5)."""
    return _NOT_ASCII.sub(_entity, html)


def _entity(found: re.Match[str]) -> str:
    point = ord(found[0])
    name = codepoint2name.get(point)
    return f"&{name};" if name else f"&#{point};"


class VendorItems:
    """One item feed as bytes."""

    #: no two items are alike enough
    usual = None

    def __init__(self, settings: SellrSettings) -> None:
        self._vendor_id = content(settings.vendor_id)
        self._items: ItemsTable = settings.items
        self._terms = settings.items.safety.terms
        code = settings.items.safety.value_code
        self._free_value = f"<AttributeValueCode>{content(code)}</AttributeValueCode>" if code else ""

    def head(self) -> bytes:
        """The declaration and the root."""
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<VendorItems xmlns="{NAMESPACE}">\n'.encode()

    def rows(self, batch: Sequence[FeedObject]) -> bytes:
        """A VendorItem for each listing."""
        return "".join(map(self._row, batch)).encode()

    def tail(self) -> bytes:
        """The end of the root."""
        return b"</VendorItems>\n"

    def _row(self, listing: FeedObject) -> str:
        item, language = listing.item, self._items.language
        photos = "".join(map(self._photo, sorted(item.photos, key=lambda photo: photo.rank)))
        attributes = "".join((*map(self._attribute, item.attributes), *self._safety(item)))
        # Cleaned first: as an entity, a lone surrogate would get past the cleaning of the section.
        description = entities(canonical(clean(item.description)))
        return (
            "<VendorItem>"
            f"<EAN>{content(listing.ean)}</EAN>"
            f"<Classification><ClassificationValue>{content(item.category)}</ClassificationValue></Classification>"
            f"<Product><ProductId>{cdata(item.product_id)}</ProductId>"
            f'<ProductTitles><ProductTitle language="{language}">{cdata(item.title)}</ProductTitle></ProductTitles>'
            f'<ProductDescriptions><ProductDescription language="{language}">{cdata(description)}</ProductDescription>'
            "</ProductDescriptions>"
            f"<ProductBrand><BrandCode>{content(item.brand)}</BrandCode></ProductBrand>"
            f"<Medias>{photos}</Medias></Product>"
            f"<Vendor><VendorId>{self._vendor_id}</VendorId>{self._own_elements(listing)}</Vendor>"
            f"<Attributes>{attributes}</Attributes>"
            "</VendorItem>\n"
        )

    def _photo(self, photo: Photo) -> str:
        extension = posixpath.splitext(urlsplit(photo.url).path)[1].removeprefix(".").lower()
        checksum = ""
        if self._items.checksum == "url":
            # A name for a picture, not a guard: the one known client makes it from the URL's text (A4).
            digest = md5(photo.url.encode("utf-8", "ignore"), usedforsecurity=False).hexdigest()
            checksum = f"<Checksum>{digest}</Checksum><ChecksumType>MD5</ChecksumType>"
        return (
            f"<Media><MediaType>Photo</MediaType><MediaURL>{cdata(photo.url)}</MediaURL>"
            f"<MediaEncoding>{content(extension or self._items.media_encoding)}</MediaEncoding>"
            f"{checksum}<PublicationRank>{photo.rank}</PublicationRank></Media>"
        )

    def _attribute(self, attribute: Attribute) -> str:
        return (
            f"<Attribute><AttributeCode>{content(attribute.code)}</AttributeCode>"
            f"<IsDeclinable>{'true' if attribute.declinable else 'false'}</IsDeclinable><AttributeValues>"
            f"<AttributeValueCode>{content(attribute.value_code)}</AttributeValueCode>"
            f'<AttributeValueLabel language="{self._items.language}">{content(attribute.label)}</AttributeValueLabel>'
            "</AttributeValues></Attribute>"
        )

    def _safety(self, item: Item) -> Iterator[str]:
        """Who answers for the product, in the attributes that are configured for it (C9); the item's own go before."""
        here = {attribute.code for attribute in item.attributes}
        said = of_item(item, self._terms.defaults)
        for name, code in self._terms.codes.items():
            if code not in here and (text := getattr(said, name)):
                yield (
                    f"<Attribute><AttributeCode>{code}</AttributeCode><IsDeclinable>false</IsDeclinable>"
                    f"<AttributeValues>{self._free_value}"
                    f'<AttributeValueLabel language="{self._items.language}">{content(text)}</AttributeValueLabel>'
                    "</AttributeValues></Attribute>"
                )

    def _own_elements(self, listing: FeedObject) -> str:
        names = self._items.vendor_elements
        given = (
            (names.sku, listing.sku),
            (names.master_sku, listing.item.master_sku),
            (names.catalogue_id, listing.item.catalogue_id),
            (names.manufacturer, listing.item.manufacturer),
            (names.manufacturer_part_number, listing.item.manufacturer_part_number),
        )
        return "".join(f"<{name}>{content(text)}</{name}>" for name, text in given if name and text)
