"""Orders as they are asked for, read and answered."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.errors import Refused, Unreadable
from daemon.marketplaces.sellr import orders, xmlread
from daemon.model import (
    Customer,
    LineState,
    Money,
    Order,
    OrderLine,
    OrderNumber,
    UpdateKind,
    UpdateLine,
    Whereabouts,
)
from tests.marketplaces.sellr.made_up import NOON, PARCEL, golden, settings, update

FIRST = UpdateLine("200000000101", 2)
SECOND = UpdateLine("200000000102", 1)


def read(content: bytes) -> tuple[Order | Unreadable, ...]:
    return orders.read_orders(settings(), xmlread.read(content))


def one(inside: str, attributes: str = "") -> Order | Unreadable:
    line = f'<OrderLine OrderLineID="1" StatusCode="Created">{inside}</OrderLine>'
    (order,) = read(f'<Orders><Order OrderID="7" {attributes}>{line}</Order></Orders>'.encode())
    return order


def test_the_request_for_orders_is_the_golden_one() -> None:  # L12
    asked = orders.retrieve(settings(), NOON - timedelta(days=14), NOON)
    assert asked == golden("retrieve.xml")


def test_the_golden_orders_are_read_line_by_line() -> None:  # L12
    order = read(golden("orders.xml"))[0]
    assert isinstance(order, Order)
    assert order.number == "2000000001"
    assert order.ordered_at == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
    assert order.lines == (
        OrderLine(
            ref="200000000101",
            quantity=2,
            state=LineState.NEW,
            ean="3701234567891",
            unit_price=Money(1990, "EUR"),
            extra={
                "Item@Label": "Robe",
                "Offer.Delivery.DeliveryFee": "4.90",
                "Offer.Delivery.ShippingMethod": "Tracked",
                "Remark": "one",
                "Remark[2]": "two",
            },
        ),
        OrderLine(
            ref="200000000102",
            quantity=1,
            state=LineState.TO_SHIP,
            ean="0012345678905",
            unit_price=Money(123450, "EUR"),
            extra={"Offer.SellingPrice@CurrencyCode": "EUR"},
        ),
    )
    assert order.extra == {"@SiteCode": "FR", "PaymentMethod": "Credit card"}
    assert (order.shipping_method, order.payment_method) == ("Tracked", "Credit card")


def test_the_customer_is_read_whole_and_the_postcode_stays_text() -> None:  # L12
    order = read(golden("orders.xml"))[0]
    assert isinstance(order, Order)
    assert order.shipping == Customer(
        name="Mme Essai Cliente",
        lines=("1 rue de l'Église", "Bâtiment B", "3e étage"),
        postcode="01000",
        city="Bourg-en-Bresse",
        country="FR",
        phone="0600000000, 0100000000",
        email="relais-1@example.test",
        instructions="Sonner à l'interphone",
    )
    assert order.billing is not None
    assert (order.billing.postcode, order.billing.lines) == ("01000", ("1 rue de l'Église",))
    told = repr((order.extra, [line.extra for line in order.lines]))
    assert not any(personal in told for personal in ("Essai", "0600000000", "relais", "Sonner", "Église"))


def test_one_order_that_is_not_understood_stands_in_its_place() -> None:
    _, second, third = read(golden("orders.xml"))
    assert isinstance(second, Unreadable)
    assert "order 2000000002" in str(second)
    assert "'Lost in space' is not known; say in orders.states" in str(second)
    assert isinstance(third, Order)
    assert third.lines[0].state is LineState.REFUND_REFUSED


def test_the_hour_that_comes_twice_is_taken_as_its_first() -> None:
    order = read(golden("orders.xml"))[2]
    assert isinstance(order, Order)
    assert order.ordered_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ("2026-03-02T10:15:00Z", datetime(2026, 3, 2, 10, 15, tzinfo=UTC)),
        ("2026-03-02T10:15:00.250+02:00", datetime(2026, 3, 2, 8, 15, 0, 250_000, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 6, 30, 22, 0, tzinfo=UTC)),
    ],
)
def test_times_are_utc(given: str, at: datetime) -> None:
    order = one("<Quantity>1</Quantity>", f'OrderDate="{given}"')
    assert isinstance(order, Order)
    assert order.ordered_at == at


@pytest.mark.parametrize(
    ("inside", "attributes", "text"),
    [
        ("", "", "Quantity '' is not a whole number"),
        ("<Quantity>1.5</Quantity>", "", "Quantity '1.5'"),
        ("<Quantity>0</Quantity>", "", "Quantity '0'"),
        ("<Quantity>-1</Quantity>", "", "Quantity '-1'"),
        ("<Quantity>٣</Quantity>", "", "Quantity '٣'"),
        ("<Quantity>1</Quantity><Offer><SellingPrice>9.999</SellingPrice></Offer>", "", "SellingPrice '9.999'"),
        ("<Quantity>1</Quantity><Offer><SellingPrice>free</SellingPrice></Offer>", "", "SellingPrice 'free'"),
        ("<Quantity>1</Quantity>", 'OrderDate="yesterday"', "OrderDate 'yesterday'"),
    ],
)
def test_a_value_that_is_not_understood_is_told_with_its_line(inside: str, attributes: str, text: str) -> None:
    order = one(inside, attributes)
    assert isinstance(order, Unreadable)
    assert text in str(order)
    assert "order 7, line 1:" in str(order)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<Order><OrderLine OrderLineID="1"/></Order>', "Order without OrderID"),
        ('<Order OrderID="7"/>', "no OrderLine"),
        ('<Order OrderID="7"><OrderLine StatusCode="Created"/></Order>', "OrderLine without OrderLineID"),
        ('<Order OrderID="7"><OrderLine OrderLineID="1"/></Order>', "OrderLine without StatusCode"),
        (
            '<Order OrderID="7">'
            + '<OrderLine OrderLineID="1" StatusCode="Created"><Quantity>1</Quantity></OrderLine>' * 2
            + "</Order>",
            "OrderLineID 1 more than once",
        ),
        (
            '<Order OrderID="7">'
            + "".join(
                f'<OrderLine OrderLineID="{n}" StatusCode="Created"><Quantity>1</Quantity><Offer><Delivery>'
                f"<DeliveryAddress><Name1>Essai {n}</Name1></DeliveryAddress></Delivery></Offer></OrderLine>"
                for n in (1, 2)
            )
            + "</Order>",
            "different addresses",
        ),
    ],
)
def test_an_order_that_cannot_be_worked_on_is_unreadable(content: str, text: str) -> None:
    (order,) = read(content.encode())
    assert isinstance(order, Unreadable)
    assert text in str(order)


def test_a_price_may_stand_in_amount_and_have_a_comma() -> None:
    order = one("<Quantity>1,00</Quantity><Offer><SellingPrice><Amount>12,5</Amount></SellingPrice></Offer>")
    assert isinstance(order, Order)
    assert order.lines[0].unit_price == Money(1250, "EUR")
    assert order.lines[0].extra == {}


def test_nothing_is_nothing_and_something_else_is_unreadable() -> None:
    assert read(golden("no-orders.xml")) == ()
    assert read(b"<Orders/>") == ()
    with pytest.raises(Unreadable, match="no Order element"):
        read(b"<Orders><Commande>7</Commande></Orders>")
    with pytest.raises(Refused, match="not possible"):
        read(golden("inject-fault.xml"))


@pytest.mark.parametrize(
    ("name", "kind", "lines"),
    [
        ("accept.xml", UpdateKind.ACCEPTANCE, (FIRST, SECOND)),
        (
            "refuse.xml",
            UpdateKind.REFUSAL,
            (UpdateLine(FIRST.ref, 2, out_of_stock=True), UpdateLine(SECOND.ref, 1, reason="Out of stock")),
        ),
        ("ship.xml", UpdateKind.DISPATCH, (FIRST,)),
        ("refunding.xml", UpdateKind.REFUND, (FIRST, SECOND)),
    ],
)
def test_updates_are_the_golden_ones(name: str, kind: UpdateKind, lines: tuple[UpdateLine, ...]) -> None:  # L13 L14
    made = settings(tracking_url="https://carrier.example.test/t?n={tracking_number}")
    assert orders.write_update(made, update(kind, *lines, parcel=PARCEL)) == golden(name)


def test_a_tracking_url_of_the_parcel_goes_before_the_accounts() -> None:  # L13
    made = settings(tracking_url="https://carrier.example.test/t?n={tracking_number}")
    parcel = type(PARCEL)("Colissimo", "1", "https://own.example.test/1?a=b&c", NOON)
    written = orders.write_update(made, update(UpdateKind.DISPATCH, FIRST, parcel=parcel))
    assert b"<trackingUrl>https://own.example.test/1?a=b&amp;c</trackingUrl>" in written


def test_what_is_empty_or_has_no_name_is_left_out() -> None:  # L13
    made = settings(orders={"ship": {"carrier": "", "tracking_number": "parcelId"}})
    written = orders.write_update(made, update(UpdateKind.DISPATCH, FIRST, parcel=PARCEL))
    assert b"</shipDate><parcelId>6A 123/45</parcelId></ship>" in written


def test_a_key_is_in_no_kept_byte_and_in_the_sent_ones_once() -> None:
    kept = orders.write_update(settings(), update(UpdateKind.ACCEPTANCE, FIRST))
    assert b"<apikey>***</apikey>" in kept
    sent = orders.with_key(kept, "a<b&c")
    assert sent == kept.replace(b"***", b"a&lt;b&amp;c")


def test_what_sellr_has_no_word_for_is_refused() -> None:
    with pytest.raises(Refused, match="no acknowledgement"):
        orders.write_update(settings(), update(UpdateKind.ACKNOWLEDGEMENT, FIRST))
    with pytest.raises(Refused, match="without a parcel"):
        orders.write_update(settings(), update(UpdateKind.DISPATCH, FIRST))


NEW, ACCEPTED, TO_SHIP, REFUSED = LineState.NEW, LineState.ACCEPTED, LineState.TO_SHIP, LineState.REFUSED
ARRIVED, ABSENT, UNKNOWN = Whereabouts.ARRIVED, Whereabouts.ABSENT, Whereabouts.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "states", "where"),
    [
        (UpdateKind.ACCEPTANCE, (NEW, NEW), ABSENT),
        (UpdateKind.ACCEPTANCE, (ACCEPTED, TO_SHIP), ARRIVED),
        (UpdateKind.ACCEPTANCE, (ACCEPTED, LineState.CANCELLED), ARRIVED),
        (UpdateKind.ACCEPTANCE, (ACCEPTED, NEW), UNKNOWN),
        (UpdateKind.ACCEPTANCE, (ACCEPTED, None), UNKNOWN),
        (UpdateKind.ACCEPTANCE, (REFUSED, REFUSED), ABSENT),
        (UpdateKind.REFUSAL, (REFUSED, REFUSED), ARRIVED),
        (UpdateKind.REFUSAL, (ACCEPTED, ACCEPTED), ABSENT),
        (UpdateKind.REFUSAL, (REFUSED, NEW), UNKNOWN),
        (UpdateKind.REFUND, (TO_SHIP, LineState.SHIPPED), ABSENT),
        (UpdateKind.REFUND, (LineState.REFUNDED, LineState.REFUND_REFUSED), ARRIVED),
        (UpdateKind.REFUND, (LineState.REFUNDING, TO_SHIP), UNKNOWN),
        (UpdateKind.DISPATCH, (TO_SHIP, TO_SHIP), ABSENT),
        (UpdateKind.DISPATCH, (LineState.SHIPPED, LineState.COMPLETED), ARRIVED),
        (UpdateKind.DISPATCH, (LineState.REFUNDING, LineState.SHIPPED), UNKNOWN),
        (UpdateKind.DISPATCH, (None, None), UNKNOWN),
    ],
)
def test_an_update_in_doubt_is_found_by_its_effect(
    kind: UpdateKind, states: tuple[LineState | None, ...], where: Whereabouts
) -> None:
    lines = tuple(OrderLine(str(ref), 1, state) for ref, state in enumerate(states) if state is not None)
    found: list[Order | Unreadable] = [
        Unreadable("order 5"),
        Order(OrderNumber("2000000009"), (OrderLine("0", 1, LineState.SHIPPED),)),
        Order(OrderNumber("2000000001"), lines),
    ]
    sent = update(kind, UpdateLine("0", 1), UpdateLine("1", 1))
    assert orders.whereabouts(sent, found) is where


#: everything in the golden orders by which a person could be known
PERSONS = ("Cliente", "Église", "Bâtiment", "01000", "Bourg", "étage", "0100000000", "0600000000", "relais", "Sonner")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('OrderID="2000000001"', 'OrderID=""'),
        ('OrderDate="2026-03-02T10:15:00"', 'OrderDate="yesterday"'),
        ('OrderLineID="200000000101"', 'OrderLineID=" "'),
        ('OrderLineID="200000000102"', 'OrderLineID="200000000101"'),
        ('StatusCode="Created"', 'StatusCode="Perhaps"'),
        ("<Quantity>2.00</Quantity>", "<Quantity>two</Quantity>"),
        ("<SellingPrice>19.90</SellingPrice>", "<SellingPrice>19.901</SellingPrice>"),
        (
            "<Quantity>1</Quantity>",
            "<Quantity>1</Quantity><DeliveryAddress><Name1>Autre</Name1><Address1>2 rue</Address1></DeliveryAddress>",
        ),
    ],
)
def test_what_is_wrong_with_an_order_is_told_without_its_customer(right: str, wrong: str) -> None:  # C12 D12
    broken = golden("orders.xml").decode().replace(right, wrong, 1)
    assert broken != golden("orders.xml").decode()
    order = read(broken.encode())[0]
    assert isinstance(order, Unreadable)
    assert [person for person in PERSONS if person in str(order)] == []


def test_a_file_of_orders_that_is_cut_is_told_without_its_customers() -> None:  # C12 D12
    whole = golden("orders.xml")
    for end in range(200, len(whole) - 100, 37):
        with pytest.raises(Unreadable) as caught:
            read(whole[:end])
        assert [person for person in PERSONS if person in str(caught.value)] == []
