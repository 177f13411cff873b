"""What La Redoute says of the lines of a feed, as a file for the SFTP (guide L17, Sell-R A9.1)."""

import csv
import io
from collections.abc import Sequence
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from daemon.sandbox.items import Verdict

COLUMNS = ("BatchId", "FileName", "EAN", "SellerOfferID", "Status", "ErrorCode", "ErrorMessage", "PartNumber")


def write_report(batch_id: str, file_name: str, verdicts: Sequence[Verdict], form: Literal["csv", "xml"]) -> bytes:
    """Write one report, a row or `Line` for each verdict."""
    rows = [(it.ean, it.sku, _status(it), it.code, it.text, it.part_number) for it in verdicts]
    return _csv(batch_id, file_name, rows) if form == "csv" else _xml(batch_id, file_name, rows)


def _status(verdict: Verdict) -> str:
    if verdict.pending:
        return "PENDING"
    return "OK" if verdict.good else "KO"


def _csv(batch_id: str, file_name: str, rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((batch_id, file_name, *row) for row in rows)
    return text.getvalue().encode("utf-8")


def _xml(batch_id: str, file_name: str, rows: Sequence[Sequence[str]]) -> bytes:
    report = Element("Report")
    SubElement(report, "BatchId").text = batch_id
    SubElement(report, "FileName").text = file_name or None
    for row in rows:
        line = SubElement(report, "Line")
        for name, text in zip(COLUMNS[2:], row, strict=True):
            SubElement(line, name).text = text or None
    content: bytes = tostring(report, encoding="utf-8", xml_declaration=True)
    return content
