"""The item file, byte for byte, and what it makes of texts."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from daemon.errors import Refused
from daemon.marketplaces.sellr import items, xmlread
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.model import Attribute, FeedObject, Item, Photo
from tests.marketplaces.sellr.made_up import DRESS, ITEMS, golden, listing, settings

NS = {"v": items.NAMESPACE}


def written(made: SellrSettings, *objects: FeedObject) -> bytes:
    file = items.VendorItems(made)
    return file.head() + file.rows(objects) + file.tail()


def test_the_item_file_is_the_golden_one() -> None:  # L2
    assert written(settings(), *ITEMS) == golden("vendor-items.xml")


def test_batches_make_no_difference() -> None:
    file = items.VendorItems(settings())
    whole = file.head() + b"".join(file.rows([one]) for one in ITEMS) + file.tail()
    assert whole == golden("vendor-items.xml")


def test_accents_of_the_description_go_out_as_entities_and_the_markup_stays() -> None:  # L5
    assert items.entities("<p>Été à l'œil &amp; 5 € ★</p>") == (
        "<p>&Eacute;t&eacute; &agrave; l'&oelig;il &amp; 5 &euro; &#9733;</p>"
    )
    row = written(settings(), listing(item=DRESS))
    description = ET.fromstring(row).find(".//v:ProductDescription", NS)
    assert description is not None
    assert description.text == (
        "<p>Robe l&eacute;g&egrave;re, &oelig;uvre d'&eacute;t&eacute;</p><ul><li>100 % coton ]]> doux</li></ul>"
    )


def test_line_breaks_are_closed_and_tags_are_lower_case() -> None:  # L5
    row = written(settings(), listing(item=Item(description="<P>Robe<BR>longue</P>")))
    description = ET.fromstring(row).find(".//v:ProductDescription", NS)
    assert description is not None
    assert description.text == "<p>Robe<br/>longue</p>"


def test_variants_are_grouped_by_their_product_id_and_marked_by_what_they_decline_in() -> None:  # L4
    variants = [
        listing(ean=ean, item=replace(DRESS, ean=ean, attributes=(Attribute("A0485", code, label, declinable=True),)))
        for ean, code, label in (("3701234567891", "V0001", "Rouge"), ("3701234567884", "V0003", "Écru"))
    ]
    root = ET.fromstring(written(settings(), *variants))
    assert [node.text for node in root.iterfind(".//v:ProductId", NS)] == ["DRESS-1", "DRESS-1"]
    assert [node.text for node in root.iterfind(".//v:IsDeclinable", NS)] == ["true", "true"]
    labels = list(root.iterfind(".//v:AttributeValueLabel", NS))
    assert [(node.text, node.get("language")) for node in labels] == [("Rouge", "fr"), ("Écru", "fr")]


def test_the_manufacturer_goes_out_only_where_a_name_for_it_is_set() -> None:  # L4
    made = listing(item=replace(DRESS, manufacturer="Exemple & fils", manufacturer_part_number="EX-1"))
    assert b"Exemple" not in written(settings(), made)
    names = {"manufacturer": "Manufacturer", "manufacturer_part_number": "ManufacturerPartNumber"}
    vendor = ET.fromstring(written(settings(items={"vendor_elements": names}), made)).find(".//v:Vendor", NS)
    assert vendor is not None
    assert [(child.tag.partition("}")[2], child.text) for child in vendor][1:] == [
        ("Manufacturer", "Exemple & fils"),
        ("ManufacturerPartNumber", "EX-1"),
    ]


def test_who_answers_for_a_product_goes_out_in_the_attributes_that_are_configured() -> None:  # C9
    made = listing(item=replace(DRESS, manufacturer="Exemple & fils", safety_warnings="Tenir loin du feu."))
    assert b"Exemple" not in written(settings(), made)
    table = {
        "manufacturer": "Exemple & fils",
        "manufacturer_address": "1 rue Basse\n59000 Lille",
        "attributes": {
            "manufacturer": "A9001",
            "manufacturer_address": "A9002",
            "responsible_name": "A9003",
            "safety_warnings": "A0100",
        },
    }
    told = attributes(written(settings(items={"safety": table}), made))
    # Nothing for what nobody says, and the listing's own attribute goes before the text.
    assert [each for each in told if each[0].startswith("A9")] == [
        ("A9001", "false", None, "Exemple & fils"),
        ("A9002", "false", None, "1 rue Basse\n59000 Lille"),
    ]
    assert [each[3] for each in told if each[0] == "A0100"] == ["Coton & lin"]
    told = attributes(written(settings(items={"safety": table | {"value_code": "V0"}}), made))
    assert ("A9001", "false", "V0", "Exemple & fils") in told


def attributes(content: bytes) -> list[tuple[str, str, str | None, str]]:
    """Code, IsDeclinable, value code and label of each."""
    found = []
    for node in ET.fromstring(content).iterfind(".//v:Attribute", NS):
        value = node.findtext("v:AttributeValues/v:AttributeValueCode", None, NS)
        code, declines, label = (
            node.findtext(path, "", NS)
            for path in ("v:AttributeCode", "v:IsDeclinable", "v:AttributeValues/v:AttributeValueLabel")
        )
        found.append((code, declines, value, label))
    return found


def test_no_text_breaks_the_file() -> None:
    nasty = "a]]>b]]]]>c\x00\x0b\ud800\uffff<![CDATA[d"
    item = Item(category=nasty, product_id=nasty, title=nasty, description=nasty, photos=(Photo(nasty, 1),))
    root = ET.fromstring(written(settings(), listing(sku=nasty, item=item)))
    title = root.find(".//v:ProductTitle", NS)
    description = root.find(".//v:ProductDescription", NS)
    assert title is not None
    assert description is not None
    assert title.text == description.text == "a]]>b]]]]>c<![CDATA[d"


def test_names_for_what_has_no_known_place_are_a_setting() -> None:
    names = {"sku": "SellerPartNumber", "master_sku": "MasterSku", "catalogue_id": ""}
    row = written(settings(items={"vendor_elements": names, "checksum": "none"}), listing(item=DRESS))
    vendor = ET.fromstring(row).find(".//v:Vendor", NS)
    assert vendor is not None
    assert [(child.tag.partition("}")[2], child.text) for child in vendor] == [
        ("VendorId", "1001"),
        ("SellerPartNumber", "RED-42"),
        ("MasterSku", "DRESS"),
    ]
    assert b"Checksum" not in row


def test_the_reply_may_give_a_batch_id_anywhere() -> None:
    assert items.read_reply(xmlread.read(b"<a><b><x:BatchId xmlns:x='u'>B1</x:BatchId></b></a>")) == "B1"
    assert items.read_reply(xmlread.read(b"<injectItemsResponse/>")) == ""


def test_a_fault_in_the_reply_is_a_refusal() -> None:
    with pytest.raises(Refused, match="The bus is full") as caught:
        items.read_reply(xmlread.read(golden("soap-fault.xml")))
    assert caught.value.code == "s:Receiver"
