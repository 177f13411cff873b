"""La Redoute's orders: the book, the legal moves, and both requests and their replies on the wire (Sell-R A6)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from xml.etree.ElementTree import Element, SubElement

from daemon.sandbox.strict import WORDS, Mistake, Node, WrongKey

NAMESPACE = "http://RedouteFrance/seller/order/1.2"
REPLY = "http://Redcats/Order/SellerOrder/2.0/RetrieveSellerOrder/6.0"
HUB = "http://Redcats/Order/SellerOrder/2.0/xsdHUB/6.0"

_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")


class Status(StrEnum):
    """The status of an order line, spelled as on the wire."""

    CREATED = "Created"
    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    TO_SHIP = "Toship"
    TO_CANCEL = "Tocancel"
    CANCELLED = "Cancelled"
    SHIPPED = "Shipped"
    REFUNDING = "Refunding"
    REFUNDED = "Refunded"
    REFUND_REFUSED = "Refund refused"


# The table of Sell-R A6: who may go where, whoever makes the move.
LEGAL: Mapping[Status, frozenset[Status]] = {
    Status.CREATED: frozenset({Status.ACCEPTED, Status.REFUSED}),
    Status.ACCEPTED: frozenset({Status.TO_SHIP, Status.TO_CANCEL}),
    Status.TO_CANCEL: frozenset({Status.CANCELLED}),
    Status.TO_SHIP: frozenset({Status.SHIPPED, Status.REFUNDING}),
    Status.SHIPPED: frozenset({Status.REFUNDING}),
    Status.REFUNDING: frozenset({Status.REFUNDED, Status.REFUND_REFUSED}),
}
_ACTIONS: Mapping[str, Status] = {
    "accept": Status.ACCEPTED,
    "refuse": Status.REFUSED,
    "outOfStock": Status.REFUSED,
    "refunding": Status.REFUNDING,
    "ship": Status.SHIPPED,
}


@dataclass(slots=True)
class Line:
    """One order line; `shipment` is what `ship` said of it, by element name."""

    id: str
    ean: str
    quantity: int
    price: Decimal
    status: Status = Status.CREATED
    shipment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """One order; `placed_at` is local time of the marketplace, without a zone, as on the wire."""

    id: str
    placed_at: datetime
    lines: tuple[Line, ...]
    customer: Mapping[str, str]
    shipping_method: str = "Standard"
    payment_method: str = "Credit card"


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a retrieval asks for: orders with a line in one of the statuses, placed in the period, ends included."""

    statuses: frozenset[str]
    since: datetime
    until: datetime

    def wants(self, order: Order) -> bool:
        """Say whether an order belongs to the reply."""
        asked = {_plain(status) for status in self.statuses}
        return self.since <= order.placed_at.replace(microsecond=0) <= self.until and any(
            _plain(line.status) in asked for line in order.lines
        )


@dataclass(frozen=True, slots=True)
class Move:
    """One action of an update: which line is to go where."""

    action: str
    line_id: str
    to: Status
    shipment: Mapping[str, str] = field(default_factory=dict)


def made_up_customer(number: int) -> dict[str, str]:
    """Make up a customer: a postcode with a leading zero and a relay address."""
    return {
        "Title": "Mme",
        "Name1": f"Essai Cliente {number}",
        "Address1": f"{number} rue de l'Église",
        "Address2": "Bâtiment B",
        "ZIPCode": f"0{1000 + number % 9000}",
        "City": "Bourg-en-Bresse",
        "CountryCode": "FR",
        "Phone": "0100000000",
        "AliasEmail": f"relais-{number}@example.test",
        "DeliveryInstruction": "Sonner à l'interphone",
    }


def read_retrieval(element: Element, key: str) -> Retrieval:
    """Read `RetrieveByStatusRequest`. Raises Mistake, WrongKey."""
    with _request(element, "RetrieveByStatusRequest", key) as request, request.next("Statuses") as statuses:
        wanted = [status.text(WORDS) for status in statuses.every("Status")]
        if not wanted:
            raise Mistake(f"{statuses.path}: Status expected")
        with statuses.next("Period") as period:
            since, until = (_time(period, period.value(name, _SECOND)) for name in ("minDate", "maxDate"))
    known = {_plain(status) for status in Status}
    if unknown := [status for status in wanted if _plain(status) not in known]:
        raise Mistake(f"unknown status {', '.join(unknown)}")
    if until < since:
        raise Mistake("maxDate lies before minDate")
    return Retrieval(frozenset(wanted), since, until)


def read_update(element: Element, key: str, tracking: Sequence[str]) -> list[Move]:
    """Read `UpdateRequest`, whose `ship` may carry these tracking elements. Raises Mistake, WrongKey."""
    moves = []
    with _request(element, "UpdateRequest", key) as request:
        while action := next((name for name in _ACTIONS if request.has_next(name)), None):
            with request.next(action, OrderLineID=WORDS) as node:
                shipment = _shipment(node, tracking) if action == "ship" else {}
            moves.append(Move(action, node["OrderLineID"], _ACTIONS[action], shipment))
    if not moves:
        raise Mistake("/UpdateRequest: no action")
    return moves


def _request(element: Element, name: str, key: str) -> Node:
    if element.tag != f"{{{NAMESPACE}}}{name}":
        raise Mistake(f"the body is {element.tag}; {name} in {NAMESPACE} is expected")
    request = Node(element, "").with_attributes()
    if request.value("apikey") != key:
        raise WrongKey("apikey not valid")
    return request


def _shipment(node: Node, tracking: Sequence[str]) -> dict[str, str]:
    shipment = {"shipDate": node.value("shipDate", _MINUTE)}
    _time(node, shipment["shipDate"])
    return shipment | {name: node.value(name) for name in tracking if node.has_next(name)}


def _time(node: Node, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Mistake(f"{node.path}: {text} is no time") from None


def _plain(status: str) -> str:
    return status.replace(" ", "").casefold()


def status_of(text: str) -> Status:
    """Give the status of this name, whatever its case and spaces. Raises Mistake."""
    for status in Status:
        if _plain(status) == _plain(text):
            return status
    raise Mistake(f"unknown status {text}")


class Book:
    """Every order, and the only place where a line changes its status."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self._lines: dict[str, Line] = {}

    def add(self, order: Order) -> None:
        """Enter an order. Raises Mistake where its number or one of its lines is known."""
        if order.id in self.orders or any(line.id in self._lines for line in order.lines):
            raise Mistake(f"order {order.id} exists")
        self.orders[order.id] = order
        self._lines |= {line.id: line for line in order.lines}

    def line(self, line_id: str) -> Line:
        """Give a line. Raises Mistake where there is none."""
        if line_id not in self._lines:
            raise Mistake(f"order line {line_id} is unknown")
        return self._lines[line_id]

    def move(self, moves: Sequence[Move]) -> None:
        """Make every move, or none. Raises Mistake that lists each illegal one."""
        faults = []
        seen: set[str] = set()
        for move in moves:
            line = self._lines.get(move.line_id)
            if line is None:
                faults.append(f"{move.action} {move.line_id}: unknown order line")
            elif move.line_id in seen:
                faults.append(f"{move.action} {move.line_id}: named twice")
            elif move.to not in LEGAL.get(line.status, ()):
                faults.append(f"{move.action} {move.line_id}: not possible at {line.status}")
            seen.add(move.line_id)
        if faults:
            raise Mistake("; ".join(faults))
        for move in moves:
            line = self._lines[move.line_id]
            line.status = move.to
            line.shipment = move.shipment or line.shipment


def write_orders(orders: Sequence[Order]) -> Element:
    """Write the reply to a retrieval, or with no orders its empty acknowledgement."""
    response = Element(f"{{{REPLY}}}RetrieveSellerOrderResponse")
    for order in orders:
        _write_order(response, order)
    return response


def _write_order(parent: Element, order: Order) -> None:
    node = _add(parent, "Order", OrderID=order.id, OrderDate=order.placed_at.isoformat(timespec="seconds"))
    _write_address(node, "BillingAddress", order.customer)
    _add(node, "PaymentMethod", order.payment_method)
    for line in order.lines:
        written = _add(node, "OrderLine", OrderLineID=line.id, StatusCode=line.status)
        _add(written, "Item", ItemStandardID=line.ean)
        _add(written, "Quantity", f"{line.quantity}.00")
        offer = _add(written, "Offer")
        _add(offer, "SellingPrice", f"{line.price:.2f}")
        delivery = _add(offer, "Delivery")
        _add(delivery, "DeliveryFee", "4.90")
        _write_address(delivery, "DeliveryAddress", order.customer)
        _add(delivery, "PhoneNumber", order.customer["Phone"], PhoneType="Mobile")
        _add(delivery, "AliasEmail", order.customer["AliasEmail"])
        _add(delivery, "DeliveryInstruction", order.customer["DeliveryInstruction"])
        _add(delivery, "ShippingMethod", order.shipping_method)


def _write_address(parent: Element, name: str, customer: Mapping[str, str]) -> None:
    address = _add(parent, name)
    for part in ("Title", "Name1", "Address1", "Address2", "ZIPCode", "City", "CountryCode"):
        _add(address, part, customer[part])


def _add(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
    node = SubElement(parent, f"{{{HUB}}}{name}", attributes)
    node.text = text or None
    return node


def write_updated() -> Element:
    """Write the reply to an update that was made."""
    response = Element(f"{{{NAMESPACE}}}UpdateResponse")
    SubElement(response, "Status").text = "OK"
    return response


def write_inject_fault(code: str, text: str) -> Element:
    """Write `InjectFault`, a business error; its children are ours (Sell-R A9.4)."""
    fault = Element(f"{{{NAMESPACE}}}InjectFault")
    SubElement(fault, "Code").text = code
    SubElement(fault, "Message").text = text
    return fault
