"""How reports are found, read and understood; nothing of them is public (guide L17)."""

from typing import Literal

from pydantic import Field

from daemon.marketplaces.sellr.errors import OwnCatalogue
from daemon.marketplaces.sellr.settings.forms import Encoding
from daemon.settings import Table


class ColumnsTable(Table):
    """What the fields of a report are called: CSV headers, or XML elements and attributes by local name (L17)."""

    batch_id: str = "BatchId"
    feed_name: str = "FileName"
    ean: str = "EAN"
    sku: str = "SellerOfferID"
    status: str = Field(default="Status", min_length=1)
    code: str = "ErrorCode"
    text: str = "ErrorMessage"
    part_number: str = "PartNumber"


class ReportTable(Table):
    """How reports are found and read (L17). `accepted`, `rejected` and `pending` are status words, read without case.

    A pending line gives no verdict yet: its listing goes on waiting for a later report. `catalogue` is a file of your
    own that says what errors mean; its entries come before those that are shipped.

    A last line of a CSV without a line end may be one that is still being written, its part number cut in two; it is
    left out and told, unless `unended_last_line` says that reports end like that.
    """

    format: Literal["auto", "csv", "xml"] = "auto"
    globs: tuple[str, ...] = ("*.csv", "*.xml")
    delimiter: str = Field(default=";", min_length=1, max_length=1)
    columns: ColumnsTable = ColumnsTable()
    accepted: tuple[str, ...] = ("OK", "ACCEPTED", "SUCCESS")
    rejected: tuple[str, ...] = ("KO", "REJECTED", "ERROR")
    pending: tuple[str, ...] = ("PENDING",)
    unended_last_line: Literal["leave_out", "read"] = "leave_out"
    encodings: tuple[Encoding, ...] = Field(default=("utf-8-sig", "cp1252"), min_length=1)
    catalogue: OwnCatalogue | None = None
