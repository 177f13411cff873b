"""Acknowledgements and dispatches: their names, their bytes, and what is refused before anything is sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from daemon.errors import NotAllowed
from daemon.marketplaces.edge import sections
from daemon.marketplaces.edge.updates import reported_update, update_name, write_update
from daemon.model import OrderNumber, OrderUpdate, Parcel, UpdateKind, UpdateLine
from tests.marketplaces.edge.account import account
from tests.marketplaces.edge.golden import golden

ACKNOWLEDGEMENT = OrderUpdate(
    kind=UpdateKind.ACKNOWLEDGEMENT,
    order=OrderNumber("Y100000001"),
    lines=(UpdateLine("1", 2, "12345678"), UpdateLine("00002", 1, "87654321")),
    created_at=datetime(2024, 1, 15, 11, 15, 0, 1, tzinfo=UTC),
)
DISPATCH = OrderUpdate(
    kind=UpdateKind.DISPATCH,
    order=OrderNumber("Y100000001"),
    lines=(UpdateLine("1", 1, "12345678"),),
    created_at=datetime(2024, 1, 17, 23, 59, 59, 999_999, tzinfo=UTC),
    parcel=Parcel(
        carrier=" dpd uk ",
        tracking_number="15501234567890",
        tracking_url="https://track.example.test/15501234567890",
        shipped_at=datetime(2024, 1, 17, 16, 30, tzinfo=UTC),
    ),
)
PARCEL = Parcel("dpd uk", "15501234567890", "", datetime(2024, 1, 17, 16, 30, tzinfo=UTC))
CARRIERS = {"DPD UK": "dpd", "Royal Mail": "royal-mail"}


def fields(content: bytes) -> tuple[dict[str, str], dict[str, str]]:
    read = sections.read(content)
    assert read.incomplete == ""
    return dict(read.order.values), dict(read.items[0].values)


def test_an_acknowledgement_byte_for_byte() -> None:  # J7
    name = update_name(ACKNOWLEDGEMENT)
    assert name == "order-20240115111500000001.ack"
    assert write_update(ACKNOWLEDGEMENT, account()) == golden(name)


def test_a_dispatch_byte_for_byte() -> None:  # J8
    name = update_name(DISPATCH)
    assert name == "dispatch-20240117235959999999.txt"
    assert write_update(DISPATCH, account(carriers=CARRIERS)) == golden(name)


def test_a_name_is_made_of_utc() -> None:
    east = replace(ACKNOWLEDGEMENT, created_at=ACKNOWLEDGEMENT.created_at.astimezone(timezone(timedelta(hours=9))))
    assert update_name(east) == "order-20240115111500000001.ack"


def days(update: OrderUpdate, **changes: Any) -> tuple[str, str]:
    line = fields(write_update(update, account(**changes)))[1]
    return line["supplier_dispatch_date"], line["supplier_delivery_date"]


def test_days_are_those_of_the_account_with_its_handling_and_delivery() -> None:  # J7
    late = replace(ACKNOWLEDGEMENT, created_at=datetime(2024, 7, 15, 23, 30, tzinfo=UTC))
    assert days(late, handling_days=2) == ("2024-07-18", "2024-07-23")  # over a weekend
    assert days(late, handling_days=0, standard_delivery_days=0) == ("2024-07-16", "2024-07-16")


@pytest.mark.parametrize(
    ("own", "dispatch"), [((0, 0), "2024-01-15"), ((0, None), "2024-01-17"), ((3, None), "2024-01-18")]
)
def test_a_listings_own_handling_counts_and_the_longest_of_an_order(
    own: tuple[int | None, ...], dispatch: str
) -> None:  # J7
    lines = tuple(replace(line, handling_days=each) for line, each in zip(ACKNOWLEDGEMENT.lines, own, strict=True))
    assert days(replace(ACKNOWLEDGEMENT, lines=lines), handling_days=2)[0] == dispatch


EVERY_DAY = {"working_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "holidays": ""}


def test_every_day_may_count() -> None:  # J7
    late = replace(ACKNOWLEDGEMENT, created_at=datetime(2024, 7, 15, 23, 30, tzinfo=UTC))
    assert days(late, handling_days=2, calendar=EVERY_DAY) == ("2024-07-18", "2024-07-21")


@pytest.mark.parametrize(
    ("received", "calendar", "expected"),
    [
        (datetime(2026, 3, 6, 14, 59, tzinfo=UTC), {}, ("2026-03-09", "2026-03-12")),  # Friday
        (datetime(2026, 3, 6, 15, 0, tzinfo=UTC), {}, ("2026-03-10", "2026-03-13")),  # late on Friday
        (datetime(2026, 3, 7, 9, 0, tzinfo=UTC), {}, ("2026-03-10", "2026-03-13")),  # Saturday
        (datetime(2026, 4, 2, 9, 0, tzinfo=UTC), {}, ("2026-04-07", "2026-04-10")),  # before Easter
        (datetime(2026, 6, 1, 14, 30, tzinfo=UTC), {}, ("2026-06-03", "2026-06-08")),  # half past three in London
        (
            datetime(2026, 3, 6, 9, 0, tzinfo=UTC),
            {"closed": ["2026-03-09", "2026-03-11"]},
            ("2026-03-10", "2026-03-13"),
        ),
        (
            datetime(2026, 3, 6, 9, 0, tzinfo=UTC),
            {"delivery_days": ["mon", "tue", "wed", "thu", "fri", "sat"], "closed": ["2026-03-09", "2026-03-10"]},
            ("2026-03-11", "2026-03-14"),
        ),
    ],
)
def test_an_acknowledgement_promises_working_days(
    received: datetime, calendar: dict[str, Any], expected: tuple[str, str]
) -> None:  # J7
    update = replace(ACKNOWLEDGEMENT, created_at=received + timedelta(minutes=5), received_at=received)
    assert days(update, calendar={"cut_off": "15:00", **calendar}) == expected


def test_the_cut_off_goes_by_the_coming_of_the_order_and_no_day_that_is_over_is_promised() -> None:  # J7
    received = datetime(2026, 3, 2, 14, 58, tzinfo=UTC)
    at_once = replace(ACKNOWLEDGEMENT, created_at=received + timedelta(minutes=10), received_at=received)
    assert days(at_once, calendar={"cut_off": "15:00"})[0] == "2026-03-03"
    again = replace(at_once, created_at=datetime(2026, 3, 7, 12, 0, tzinfo=UTC))
    assert days(again, calendar={"cut_off": "15:00"}) == ("2026-03-09", "2026-03-12")


def test_a_dispatch_tells_the_day_on_which_it_left_and_a_working_day_of_delivery() -> None:  # J8
    assert DISPATCH.parcel is not None
    sunday = replace(DISPATCH, parcel=replace(DISPATCH.parcel, shipped_at=datetime(2026, 3, 29, 23, 30, tzinfo=UTC)))
    line = fields(write_update(sunday, account(standard_delivery_days=4)))[1]
    # By the clock of London, which went forward on that day, it was Monday; then come four days, Good Friday not one.
    assert (line["dispatch_date"], line["supplier_delivery_date"]) == ("2026-03-30", "2026-04-07")


def test_constants_are_settings() -> None:
    settings = account(
        updates={
            "supplier_ref": "WEB-{order}",
            "test_flag": "N",
            "sub_status": "Pending",
            "fulfillment_route": "Direct to Customer",
            "service": "next day",
            "dispatch_columns": ["line_ref", "quantity", "service", {"name": "status", "text": "Dispatched"}],
        }
    )
    order, line = fields(write_update(ACKNOWLEDGEMENT, settings))
    assert order == {"order_number": "Y100000001", "supplier_ref": "WEB-Y100000001", "test_flag": "N"}
    assert (line["sub_status"], line["fulfillment_route"]) == ("Pending", "Direct to Customer")
    line = fields(write_update(DISPATCH, settings))[1]
    assert line == {"line_ref": "1", "quantity": "1", "service": "next day", "status": "Dispatched"}


def test_without_a_carrier_map_the_sellers_word_is_taken() -> None:  # J8
    assert fields(write_update(DISPATCH, account()))[1]["carrier"] == "dpd uk"


def test_a_carrier_that_the_map_does_not_know_is_refused_here() -> None:  # J8
    assert DISPATCH.parcel is not None
    update = replace(DISPATCH, parcel=replace(DISPATCH.parcel, carrier="Royal Mal"))
    with pytest.raises(NotAllowed) as caught:
        write_update(update, account(carriers=CARRIERS))
    assert str(caught.value) == (
        'no carrier "Royal Mal" in the carrier map of the account (did you mean Royal Mail?); '
        "it knows DPD UK, Royal Mail"
    )


def test_a_cumulative_dispatch_repeats_what_went_before_with_its_own_parcel() -> None:  # J8
    assert DISPATCH.parcel is not None
    second = replace(
        DISPATCH,
        lines=(UpdateLine("1", 1, "12345678"), UpdateLine("2", 3, "87654321")),
        parcel=replace(DISPATCH.parcel, tracking_number="15509999999999"),
        earlier=(DISPATCH,),
    )
    rows = {
        shipments: [
            (item.values["line_ref"], item.values["quantity"], item.values["tracking_number"])
            for item in sections.read(
                write_update(second, account(carriers=CARRIERS, updates={"shipments": shipments}))
            ).items
        ]
        for shipments in ("incremental", "cumulative")
    }
    new = [("1", "1", "15509999999999"), ("2", "3", "15509999999999")]
    assert rows == {"incremental": new, "cumulative": [("1", "1", "15501234567890"), *new]}


def test_a_dispatch_without_its_parcel_is_refused() -> None:  # J8
    with pytest.raises(NotAllowed, match="needs its carrier"):
        write_update(replace(DISPATCH, parcel=None), account())


@pytest.mark.parametrize("kind", [UpdateKind.ACCEPTANCE, UpdateKind.REFUSAL])
def test_what_the_edge_does_not_take_is_refused(kind: UpdateKind) -> None:
    update = replace(ACKNOWLEDGEMENT, kind=kind)
    with pytest.raises(NotAllowed, match="takes acknowledgement, cancellation, dispatch, refund; it has no"):
        update_name(update)
    with pytest.raises(NotAllowed):
        write_update(update, account())


def test_quotes_are_doubled_and_newlines_are_spaces() -> None:
    line = replace(ACKNOWLEDGEMENT.lines[0], reason='packed "well"\r\nand\tsoon\u2028')
    content = write_update(replace(ACKNOWLEDGEMENT, lines=(line,)), account())
    assert b'"packed ""well"" and soon"' in content
    assert content.count(b"\n") == 5
    assert content.endswith(b'\n"4"\n')


@pytest.mark.parametrize(
    ("error", "update"),
    [
        ("order-20240115111500000001.ack.err", "order-20240115111500000001.ack"),
        ("dispatch-20240117235959999999.txt.err", "dispatch-20240117235959999999.txt"),
        ("order_ack-20240115111500000001.ack.err", "order-20240115111500000001.ack"),
        ("order_ack-20240115111500000001.err", "order-20240115111500000001.ack"),
        ("cancel_ack-20240115111500000001.txt.err", "cancel-20240115111500000001.ack"),
        ("cancel-20240115111500000001.err", "cancel-20240115111500000001.ack"),
        ("dispatch-20240117235959999999.err", "dispatch-20240117235959999999.txt"),
        ("other.err", "other"),
    ],
)
def test_an_error_names_its_update(error: str, update: str) -> None:
    assert reported_update(error) == update


CANCELLATION = OrderUpdate(
    kind=UpdateKind.CANCELLATION,
    order=OrderNumber("Y100000001"),
    lines=(
        UpdateLine("1", 1, "12345678", reason="out of stock"),
        UpdateLine("00002", 1, "87654321", reason="out of stock"),
    ),
    created_at=datetime(2024, 1, 16, 9, 30, 0, 1, tzinfo=UTC),
)
REFUND = OrderUpdate(
    kind=UpdateKind.REFUND,
    order=OrderNumber("Y100000001"),
    lines=(UpdateLine("1", 1, "12345678", reason="came broken"),),
    created_at=datetime(2024, 1, 20, 8, 0, 0, 1, tzinfo=UTC),
    earlier=(DISPATCH,),
)


def test_a_cancellation_byte_for_byte() -> None:  # J9
    name = update_name(CANCELLATION)
    assert name == "cancel-20240116093000000001.ack"
    assert write_update(CANCELLATION, account()) == golden(name)


def test_a_refund_byte_for_byte() -> None:  # J10
    name = update_name(REFUND)
    assert name == "dispatch-20240120080000000001.txt"
    assert write_update(REFUND, account(carriers=CARRIERS)) == golden(name)


@pytest.mark.parametrize("column", ["carrier", "service", "tracking_number"])
def test_which_column_says_that_it_is_a_refund_and_how_is_a_setting(column: str) -> None:  # J10
    settings = account(updates={"refund_column": column, "refund_text": "REFUNDED"})
    line = fields(write_update(REFUND, settings))[1]
    assert line[column] == "REFUNDED"
    assert list(line.values()).count("REFUNDED") == 1


def test_a_refund_may_say_so_in_a_column_of_its_own() -> None:  # J10
    line = fields(write_update(REFUND, account(updates={"refund_column": "status"})))[1]
    assert list(line)[-1] == "status"
    assert (line["status"], line["tracking_number"]) == ("CANCELLED POST-DISPATCH", "15501234567890")


def test_a_refund_speaks_of_the_newest_parcel_that_had_its_line_and_of_its_lines_alone() -> None:  # J10
    assert DISPATCH.parcel is not None
    other = replace(
        DISPATCH,
        lines=(UpdateLine("1", 1, "12345678"), UpdateLine("2", 1, "87654321")),
        parcel=replace(DISPATCH.parcel, carrier="Royal Mail"),
    )
    last = replace(other, lines=(UpdateLine("2", 1, "87654321"),), parcel=DISPATCH.parcel)
    settings = account(updates={"shipments": "cumulative"})
    read = sections.read(write_update(replace(REFUND, earlier=(DISPATCH, other, last)), settings))
    assert [(item.values["line_ref"], item.values["carrier"]) for item in read.items] == [("1", "Royal Mail")]


def test_a_refund_of_a_parcel_that_was_never_told_from_here_has_its_day_alone() -> None:  # J10
    line = fields(write_update(replace(REFUND, earlier=()), account()))[1]
    assert (line["carrier"], line["dispatch_date"]) == ("", "2024-01-20")
    assert line["tracking_number"] == "CANCELLED POST-DISPATCH"


@pytest.mark.parametrize(
    ("parcel", "told"),
    [
        (replace(PARCEL, carrier="Royal Mal"), "did you mean Royal Mail?"),
        (replace(PARCEL, tracking_number=" "), "needs its tracking_number"),
        (replace(PARCEL, tracking_number="1" * 101), "the tracking_number may have 100 characters, this one has 101"),
        (replace(PARCEL, tracking_url="https://x.test/" + "1" * 255), "the tracking_url may have 255 characters"),
        (PARCEL, ""),
    ],
)
def test_what_the_edge_would_not_take_is_known_when_it_is_decided(parcel: Parcel, told: str) -> None:  # J8
    found = account(carriers=CARRIERS).objection(parcel)
    assert told in found
    assert bool(found) == bool(told)


def test_a_comment_has_its_length() -> None:  # J9
    assert account().objection(reason="x" * 255) == ""
    assert "a comment may have 255 characters, this reason has 256" in account().objection(reason="x" * 256)
