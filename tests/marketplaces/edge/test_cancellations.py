"""Requests to cancel: what they ask for, which lines they leave alone, and what cannot be trusted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Unreadable
from daemon.marketplaces.edge import sections
from daemon.marketplaces.edge.cancellations import read_cancellation
from daemon.model import CancellationRequest, ClaimLine, OrderNumber
from tests.marketplaces.edge.golden import golden

COLUMNS = ("reason", "reason_code")
HEAD = ["line_ref", "part_number", "quantity"]


def read(content: bytes) -> CancellationRequest:
    return read_cancellation(content, reason_columns=COLUMNS)


def written(*items: list[str], head: list[str] = HEAD, **order: str) -> bytes:
    return sections.write({"order_number": "Y1", "supplier_ref": "", "test_flag": "N", **order}, head, items)


def test_a_request_byte_for_byte() -> None:  # J12
    assert read(golden("cancel-20240116120000000001.txt")) == CancellationRequest(
        order=OrderNumber("Y100000001"),
        lines=(ClaimLine("1", 1, "12345678"),),
        reason="126 (change of mind)",
        extra={"supplier_ref": "", "test_flag": "N", "reason_code": "126"},
    )


@pytest.mark.parametrize("untouched", ["", "null", "NULL", " ", "0"])
def test_a_line_with_a_null_or_empty_quantity_is_untouched(untouched: str) -> None:  # J12
    request = read(written(["1", "12345678", untouched], ["2", "87654321", "3"]))
    assert [(line.ref, line.quantity) for line in request.lines] == [("2", 3)]


def test_a_reason_may_stand_on_the_lines() -> None:  # J12
    request = read(written(["1", "12345678", "1", "too late"], ["2", "8", "1", "131"], head=[*HEAD, "Reason"]))
    assert [line.reason for line in request.lines] == ["too late", "131 (late)"]
    assert request.reason == "too late; 131 (late)"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (written(["1", "12345678", "null"]), "it asks to cancel no unit of any line of order Y1"),
        (written(["1", "12345678", "some"]), 'line 4, quantity: a whole number, null or nothing was expected, "some"'),
        (written(["1", "12345678", "-1"]), "line 4, quantity"),
        (written(["1", "12345678", "1"], ["1", "12345678", "1"]), "line 5, line_ref: 1 is there twice"),
        (written(["1", "12345678"], head=HEAD[:2]), "line 4: its header has no column quantity"),
        (written(["", "12345678", "1"]), "line 4, line_ref: it is empty"),
        (b'"order_number"\n', "breaks off in its first 3 lines"),
    ],
)
def test_what_cannot_be_trusted_is_told_with_its_place(content: bytes, fault: str) -> None:  # J12 D9
    with pytest.raises(Unreadable) as caught:
        read(content)
    assert fault in str(caught.value)


def test_a_wrong_checksum_makes_it_incomplete_with_what_could_be_read() -> None:  # J12
    content = written(["1", "12345678", "1"], ["2", "87654321", "x"]).replace(b'"5"', b'"7"')
    request = read(content)
    assert request.incomplete == "7 lines were expected by the checksum, 5 were read"
    assert request.lines == (ClaimLine("1", 1, "12345678"),)


@given(st.binary(max_size=400))
def test_bytes_are_read_or_told_unreadable(content: bytes) -> None:  # J12 D9
    for tried in (content, golden("cancel-20240116120000000001.txt")[:200] + content):
        try:
            request = read(tried)
        except Unreadable:
            continue
        assert request.order
        assert request.lines or request.incomplete
