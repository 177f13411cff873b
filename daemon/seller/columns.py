"""The columns of the files that the seller brings, as they are told to people and read by programs (guide S1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from daemon.rules import listing as rules
from daemon.seller import cells
from daemon.seller.ndjson import NdjsonTable
from daemon.seller.rows import Table
from daemon.seller.sheets import open_table


class ImportKind(StrEnum):
    """What a file brings."""

    LISTINGS = "listings"
    STOCK = "stock"
    PRICES = "prices"
    PROMOTIONS = "promotions"
    DISPATCHES = "dispatches"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an import file, as it is told to people."""

    name: str
    meaning: str
    example: str
    required: bool = False
    #: what other systems call it
    also: tuple[str, ...] = ()
    #: a pattern of the cells that need no second look, in a file whose columns all have one
    usual: str = ""


SKU = Column(
    *("sku", "the seller's own number of the listing", "LAMP-01"),
    required=True,
    also=("seller_sku", "partner_sku", "supplier_sku"),
    usual=cells.USUAL_SKU,
)
#: what retailers on The Edge, and clients of theirs, call their article number
_STOCK_NUMBER = (
    *("stock_number", "stock_no", "jl_stock_number", "john_lewis_stock_number", "john_lewis_sku"),
    *("part_number", "item_number", "channel_item"),
)

#: The columns of each kind of file, by header name, in any order. A column that is not there leaves its values as they
#: are; an empty cell empties its value, but in channel_item_id, end and handling_days it leaves it as it is.
COLUMNS: Mapping[ImportKind, tuple[Column, ...]] = {
    ImportKind.LISTINGS: (
        SKU,
        Column("ean", "the EAN-13, as text", "3701234567891", also=("ean_13", "ean13", "barcode", "gtin")),
        Column(
            *("channel_item_id", "the marketplace's own article number (John Lewis: the Stock Number, 8 digits)"),
            "12345678",
            also=_STOCK_NUMBER,
        ),
        Column("category", "the leaf category", "S001"),
        Column("product_id", "what groups the variants of one product", "LAMP"),
        Column("master_sku", "the SKU of the product that this is a variant of", "LAMP-00"),
        Column("title", "the title in French", "Lampe à poser"),
        Column("description", "the description in French, with HTML", "<p>Une lampe en chêne.</p>"),
        Column("brand", "the brand code", "B1234"),
        Column("catalogue_id", "the catalogue id", "C1"),
        Column("manufacturer", "who makes it; cannot change once the product is created", "Exemple SA"),
        Column("manufacturer_part_number", "the maker's own number; cannot change either", "EX-1234"),
        Column("manufacturer_address", "the maker's postal address; empty for the account's", "1 rue Basse, Lille"),
        Column("manufacturer_email", "the maker's e-mail address", "contact@maker.example"),
        Column("manufacturer_country", "the maker's country in two letters", "FR"),
        Column("responsible_name", "who is responsible in the EU, where the maker is not in it", "Exemple Import SARL"),
        Column("responsible_address", "the postal address of that person", "2 rue Haute, 59000 Lille"),
        Column("responsible_email", "the e-mail address of that person", "safety@import.example"),
        Column("safety_warnings", "what a buyer must be warned of, in French", "Ne convient pas aux enfants."),
        *(
            Column(f"photo_{rank}", "an absolute http(s) URL" + ("; the main photo" if rank == 1 else ""), "https://…")
            for rank in range(1, rules.MOST_PHOTOS + 1)
        ),
        Column(
            "attributes",
            "code=value code|French label, separated by ; (a star behind the code of a variation axis)",
            "A0485*=V123|Rouge; A1303=V77|Bleu nuit",
        ),
        Column("end", "yes ends the listing, no takes that back", "no"),
        Column("handling_days", "days until it leaves the warehouse", "2", also=("handling_time",)),
        Column("back_in_stock_date", "the day on which it is back in stock; empty for none", "2026-12-24"),
        Column("low_stock", "the marketplace's own word for low stock; empty for none", "Y"),
        Column("ring_fenced_units", "units kept for this marketplace; empty for none", "10"),
        Column("standard_lead_time_days", "its usual lead time; empty for the account's", "4"),
        Column("max_lead_time_days", "its longest lead time; empty for none", "14"),
        Column("lead_time_from", "the day from which its lead time holds; empty for none", "2026-12-24"),
        Column("availability_status", "the marketplace's own word; empty for none", "Available"),
        Column("product_status", "the marketplace's own word; empty for none", "Live"),
        Column("safety_stock", "units that are never offered; empty for the account's", "2"),
        Column("stock_percentage", "how much of the rest is offered, 0 to 100; empty for the account's", "80"),
        Column("stock_cap", "units that are offered at most; empty for the account's", "50"),
        Column("stock_threshold", "with fewer units than this, none is offered; empty for the account's", "3"),
        Column("vat_rate", "its VAT rate in percent; empty for the account's", "5.5"),
        Column("eco_contribution", "the eco-contribution of one unit; empty for none", "0.60"),
        Column("epr_code", "the French EPR category that asks for it, beside every eco_contribution", "FR-DEA"),
    ),
    ImportKind.STOCK: (SKU, Column("stock", "units in stock", "12", required=True, usual=cells.USUAL_NUMBER)),
    ImportKind.PRICES: (
        SKU,
        Column("price", "the selling price, dot or comma, in the account's currency", "49,90", required=True),
        Column("rrp", "the recommended retail price; empty for none", "59.90"),
    ),
    ImportKind.PROMOTIONS: (
        SKU,
        Column("price", "what the buyer pays in the promotion; may be empty where cancel is yes", "39.90"),
        Column("start", "the first instant, as UNIX timestamp or ISO 8601 (account's time zone)", "1782165600", True),
        Column("end", "the first instant after it, in the same form", "2026-07-21T00:00", True),
        Column("nature", "the marketplace's internal kind of offer; empty for the account's", "Soldes"),
        Column("sale", "the sale that it belongs to, by the code in the imported sales; empty for none", "ETE-2026"),
        Column("cancel", "yes takes the promotion back that begins at this start", "no"),
    ),
    ImportKind.DISPATCHES: (
        Column("order", "the order's number at the marketplace", "1234567890", required=True),
        Column("line", "the line of the order that left; empty for all that is left of the order", "1"),
        Column("units", "how many of them; empty for all that are left of the line", "2"),
        Column("carrier", "who carries the parcel", "DPD", required=True),
        Column("tracking_number", "the number of the parcel", "15501234567890"),
        Column("tracking_url", "where the buyer follows it; empty for the account's template", "https://…"),
        Column("shipped_at", "when it left, in the form of start above; empty for now", "2026-06-23T16:30"),
    ),
}

#: the columns by which a row is told to people and programs
KEYS: Mapping[ImportKind, str] = dict.fromkeys(ImportKind, SKU.name) | {ImportKind.DISPATCHES: "order"}

_MANY_LINES = ("description", "manufacturer_address", "responsible_address", "safety_warnings")


def open_import(kind: ImportKind, file: BinaryIO) -> Table:
    """A CSV or XLSX file of this kind at its first row; raises Unreadable when it is none."""
    also = {name: column.name for column in COLUMNS[kind] for name in column.also}
    usual = {column.name: column.usual for column in COLUMNS[kind] if column.usual}
    return open_table(file, *_known(kind), _MANY_LINES, also, usual)


def open_lines(kind: ImportKind, file: BinaryIO) -> Table:
    """A stream of JSON objects of this kind, one a line, at its first row (`ndjson.py`)."""
    return NdjsonTable(file, *_known(kind), _MANY_LINES)


def _known(kind: ImportKind) -> tuple[list[str], list[str]]:
    columns = COLUMNS[kind]
    return [column.name for column in columns], [column.name for column in columns if column.required]
