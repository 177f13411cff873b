"""A Sell-R offer file as a script would write it with lxml's incremental writer: no store, no claim, no answer."""

import sys

from lxml import etree

NAMESPACE = "http://RedCats/MarketPlace/Partnership/2.0"


def element(parent, name, text=None, **attributes):
    """One child with its text."""
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", **attributes)
    child.text = text
    return child


def item(number):
    """One offer, as Sell-R A5 has it."""
    root = etree.Element(f"{{{NAMESPACE}}}Item")
    element(element(root, "ItemIdentification"), "ItemStandardID", f"{3700000000000 + number}", Qualifier="EN")
    condition = element(element(root, "ItemConditions"), "ItemCondition", Condition="New")
    element(element(condition, "Availability"), "StockQuantity", str(number % 50))
    offer = element(element(condition, "SellerOffers"), "SellerOffer", Site="www.laredoute.fr", CountryCode="FR")
    price = element(
        element(offer, "SellerOfferPrices"),
        "SellerOfferPrice",
        SellerOfferID=f"SKU-{number}",
        OfferNature="Standard",
        CustomerTarget="All",
    )
    period = element(price, "OfferPeriod")
    element(period, "StartDate", "2026-03-02T12:00:00.000Z")
    element(period, "EndDate", "2027-03-02T12:00:00.000Z")
    selling = element(price, "SellingPrice", CurrencyCode="EUR", PriceType="SellingPrice")
    element(selling, "Amount", "19.90")
    element(selling, "VATRate", "0.20")
    element(price, "BlockedPrice", "19.90")
    delivery = element(element(offer, "Deliveries"), "Delivery", DeliveryType="Regular", DeliveryMode="Home")
    element(delivery, "DeliveryFee", "0.00", CurrencyCode="EUR")
    element(delivery, "ShipmentDelay", "1")
    days = element(delivery, "DeliveryDaysRange")
    element(days, "Min", "2")
    element(days, "Max", "5")
    return root


with open(sys.argv[2], "wb") as out, etree.xmlfile(out, encoding="utf-8") as writer:  # noqa: PTH123
    writer.write_declaration()
    with writer.element(f"{{{NAMESPACE}}}SellerOfferRequest", nsmap={None: NAMESPACE}, MessageRelease="1.0"):
        for number in range(int(sys.argv[1])):
            writer.write(item(number))
