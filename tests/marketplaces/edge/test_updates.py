"""Acknowledgements and dispatches: their names, their bytes, and what is refused before anything is sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

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


def test_days_are_those_of_the_account_with_its_handling_and_delivery() -> None:  # J7
    late = replace(ACKNOWLEDGEMENT, created_at=datetime(2024, 7, 15, 23, 30, tzinfo=UTC), handling_days=2)
    line = fields(write_update(late, account()))[1]
    assert (line["supplier_dispatch_date"], line["supplier_delivery_date"]) == ("2024-07-18", "2024-07-21")
    own = replace(late, handling_days=None)
    line = fields(write_update(own, account(handling_days=0, standard_delivery_days=0)))[1]
    assert (line["supplier_dispatch_date"], line["supplier_delivery_date"]) == ("2024-07-16", "2024-07-16")


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
        ("other.err", "other"),
    ],
)
def test_an_error_names_its_update(error: str, update: str) -> None:
    assert reported_update(error) == update
