"""Orders of Sell-R: asked for, read, and told what becomes of their lines (Sell-R A6, guide L12, L13)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from daemon.errors import Refused, Unforeseen, Unreadable
from daemon.marketplaces.reading import read_or_say_why
from daemon.marketplaces.sellr.envelopes import SOAP_11, envelope, fault
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.marketplaces.sellr.wire import attribute, content, utc
from daemon.marketplaces.sellr.xmlread import Node
from daemon.model import Customer, LineState, Money, Order, OrderLine, OrderNumber, OrderUpdate, UpdateKind, Whereabouts

NAMESPACE = "http://RedouteFrance/seller/order/1.2"
RETRIEVE = "NewOrdersService.RetrieveByStatusRequest"
UPDATE = "NewOrdersService.UpdateRequest"

#: what stands for the key in kept bytes; `with_key` puts the key there when they are sent
_NO_KEY = b"<apikey>***</apikey>"

_DECIMAL = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,6}))?")


def retrieve(settings: SellrSettings, since: datetime, until: datetime) -> bytes:
    """Ask for the orders of a period, without the key; times are the account's, to the second, with no zone (A6)."""
    zone = settings.zone
    statuses = "".join(f"<Status>{content(status)}</Status>" for status in settings.orders.statuses)
    return envelope(
        SOAP_11,
        f'<ns:RetrieveByStatusRequest xmlns:ns="{NAMESPACE}">{_NO_KEY.decode()}<Statuses>{statuses}'
        f"<Period><minDate>{since.astimezone(zone):%Y-%m-%dT%H:%M:%S}</minDate>"
        f"<maxDate>{until.astimezone(zone):%Y-%m-%dT%H:%M:%S}</maxDate></Period>"
        "</Statuses></ns:RetrieveByStatusRequest>",
    )


def with_key(request: bytes, key: str) -> bytes:
    """The request as it is sent: with the key in it."""
    return request.replace(_NO_KEY, f"<apikey>{content(key)}</apikey>".encode(), 1)


def write_update(settings: SellrSettings, update: OrderUpdate) -> bytes:
    """What becomes of lines of one order, without the key. Raises Refused for what Sell-R has no word for."""
    if update.kind is UpdateKind.ACCEPTANCE:
        actions = [f'<accept OrderLineID="{attribute(line.ref)}"/>' for line in update.lines]
    elif update.kind is UpdateKind.REFUSAL:
        named = [("outOfStock" if line.out_of_stock else "refuse", line) for line in update.lines]
        actions = [f'<{name} OrderLineID="{attribute(line.ref)}"/>' for name, line in named]
    elif update.kind is UpdateKind.REFUND:
        actions = [f'<refunding OrderLineID="{attribute(line.ref)}"/>' for line in update.lines]
    elif update.kind is UpdateKind.DISPATCH:
        shipment = _shipment(settings, update)
        actions = [f'<ship OrderLineID="{attribute(line.ref)}">{shipment}</ship>' for line in update.lines]
    else:
        raise Refused(f"Sell-R has no {update.kind.value}; it knows acceptance, refusal, dispatch and refund")
    return envelope(
        SOAP_11,
        f'<ns:UpdateRequest xmlns:ns="{NAMESPACE}">{_NO_KEY.decode()}{"".join(actions)}</ns:UpdateRequest>',
    )


def _shipment(settings: SellrSettings, update: OrderUpdate) -> str:
    parcel, names = update.parcel, settings.orders.ship
    if parcel is None:
        raise Refused(f"order {update.order}: a dispatch without a parcel")
    url = parcel.tracking_url or settings.tracking_url_of(parcel.tracking_number)
    told = (
        (names.carrier, parcel.carrier),
        (names.tracking_number, parcel.tracking_number),
        (names.tracking_url, url),
    )
    return f"<shipDate>{parcel.shipped_at.astimezone(settings.zone):%Y-%m-%dT%H:%M}</shipDate>" + "".join(
        f"<{name}>{content(text)}</{name}>" for name, text in told if name and text
    )


def read_reply(document: Node) -> None:
    """Raises Refused where a reply says no (its structure is otherwise unknown: A9, 4)."""
    told = fault(document)
    if told is not None:
        raise Refused(told.text, told.code)


def read_orders(settings: SellrSettings, document: Node) -> tuple[Order | Unreadable, ...]:
    """Every order of a reply or a file; one that cannot be read is Unreadable in its place.

    Raises Unreadable for a document that says something and holds no order, Refused for one that says no.
    """
    read_reply(document)
    found = list(document.outermost("Order"))
    if not found:
        body = document.find("Body")
        body = document if body is None else body
        if any(node.text for node in body.every()):
            raise Unreadable(f"line {body.line}: no Order element, but something else, in {body.name}")
    return tuple(_order_or_why(settings, node) for node in found)


def whereabouts(update: OrderUpdate, orders: Sequence[Order | Unreadable]) -> Whereabouts:
    """Whether the lines of an update stand where it leads to or beyond (ARRIVED), or all where it cannot have led."""
    before, after = _LEADS.get(update.kind, (frozenset(), frozenset()))
    states = {
        line.ref: line.state
        for order in orders
        if isinstance(order, Order) and order.number == update.order
        for line in order.lines
    }
    reached = {states.get(line.ref) for line in update.lines}
    if reached and reached <= after:
        return Whereabouts.ARRIVED
    return Whereabouts.ABSENT if reached and reached <= before else Whereabouts.UNKNOWN


# To be refunded may come from To ship as well, so it does not show that goods were dispatched.
_LEADS: Mapping[UpdateKind, tuple[frozenset[LineState | None], frozenset[LineState | None]]] = {
    UpdateKind.ACCEPTANCE: (
        # A line that was refused, at the portal say, was never accepted, and the other way round.
        frozenset({LineState.NEW, LineState.REFUSED}),
        frozenset(set(LineState) - {LineState.NEW, LineState.REFUSED}),
    ),
    UpdateKind.REFUSAL: (frozenset(set(LineState) - {LineState.REFUSED}), frozenset({LineState.REFUSED})),
    UpdateKind.DISPATCH: (frozenset({LineState.TO_SHIP}), frozenset({LineState.SHIPPED, LineState.COMPLETED})),
    UpdateKind.REFUND: (
        frozenset({LineState.TO_SHIP, LineState.SHIPPED, LineState.COMPLETED}),
        frozenset({LineState.REFUNDING, LineState.REFUNDED, LineState.REFUND_REFUSED}),
    ),
}


def _order_or_why(settings: SellrSettings, node: Node) -> Order | Unreadable:
    read = read_or_say_why(partial(_order, settings, node))
    if isinstance(read, Unreadable) and not isinstance(read, Unforeseen):
        return Unreadable(f"order {node.attributes.get('OrderID', 'without OrderID')}, {read}")
    return read


def _order(settings: SellrSettings, node: Node) -> Order:
    number = _wanted(node, "OrderID")
    lines = [child for child in node.children if child.name == "OrderLine"]
    if not lines:
        raise Unreadable(f"line {node.line}: no OrderLine")
    read = [_line(settings, line) for line in lines]
    doubled = [ref for ref, times in Counter(line.ref for line in read).items() if times > 1]
    if doubled:
        raise Unreadable(f"line {node.line}: OrderLineID {', '.join(doubled)} more than once")
    rest = Node("", node.attributes, children=[child for child in node.children if child.name != "OrderLine"])
    billing = node.child("BillingAddress")
    return Order(
        number=OrderNumber(number),
        lines=tuple(read),
        ordered_at=_ordered_at(settings, node),
        shipping=_shipping(node, lines),
        billing=_address(billing) if billing is not None else None,
        shipping_method=_named(node, settings.orders.shipping_method),
        payment_method=_named(node, settings.orders.payment_method),
        extra=dict(_flat(rest, known=frozenset({"@OrderID", "@OrderDate"}))),
    )


#: where persons are told of; it goes to the Customer, which is erased in time (D12), and never into `extra`
_PERSONAL = frozenset({"BillingAddress", "DeliveryAddress", "PhoneNumber", "AliasEmail", "DeliveryInstruction"})


def _line(settings: SellrSettings, node: Node) -> OrderLine:
    ref, literal = _wanted(node, "OrderLineID"), _wanted(node, "StatusCode")
    state = settings.orders.state(literal)
    if state is None:
        raise Unreadable(f"line {node.line}: StatusCode {literal!r} is not known; say in orders.states what it means")
    offer = node.child("Offer")
    price = offer.child("SellingPrice") if offer is not None else None
    return OrderLine(
        ref=ref,
        quantity=_quantity(node),
        state=state,
        ean=_ean(node),
        unit_price=_price(settings, price) if price is not None else None,
        extra=dict(_flat(node, known=_KNOWN_OF_LINE)),
    )


_KNOWN_OF_LINE = frozenset(
    {"@OrderLineID", "@StatusCode", "Quantity", "Offer.SellingPrice", "Offer.SellingPrice.Amount"}
)


def _wanted(node: Node, name: str) -> str:
    text = node.attributes.get(name, "").strip()
    if not text:
        raise Unreadable(f"line {node.line}: {node.name} without {name}")
    return text


def _ean(line: Node) -> str:
    # An attribute of the first child (A6), whatever that is called; an element of that name is as good.
    for child in line.children:
        if "ItemStandardID" in child.attributes:
            return child.attributes["ItemStandardID"].strip()
    found = line.find("ItemStandardID")
    return found.text if found is not None else ""


def _quantity(line: Node) -> int:
    node = line.child("Quantity")
    given = node.text if node is not None else ""
    read = _DECIMAL.fullmatch(given)
    if read is None or (read[2] or "").strip("0") or int(read[1]) == 0:
        raise Unreadable(f"line {line.line}: Quantity {given!r} is not a whole number above 0")
    return int(read[1])


def _price(settings: SellrSettings, price: Node) -> Money | None:
    """The gross price of one unit (A9, 11: assumed gross), to the cent."""
    amount = price.child("Amount")
    given = amount.text if amount is not None else price.text
    if not given:
        return None
    read = _DECIMAL.fullmatch(given)
    cents = (read[2] or "").rstrip("0").ljust(2, "0") if read is not None else ""
    if read is None or len(cents) > 2:
        raise Unreadable(f"line {price.line}: SellingPrice {given!r} is not an amount in whole cents")
    return Money(int(read[1]) * 100 + int(cents), price.attributes.get("CurrencyCode", settings.currency))


def _ordered_at(settings: SellrSettings, node: Node) -> datetime | None:
    given = node.attributes.get("OrderDate", "").strip()
    if not given:
        return None
    try:
        told = datetime.fromisoformat(given)
    except ValueError:
        raise Unreadable(f"line {node.line}: OrderDate {given!r} is not an ISO 8601 time") from None
    # Without a zone it is the account's own (A9, 10); of the two instants of the hour that comes twice, the first.
    return utc(told if told.tzinfo is not None else told.replace(tzinfo=settings.zone, fold=0))


def _shipping(order: Node, lines: Sequence[Node]) -> Customer:
    """Where the goods go. The wire says it of each line; an order here has one address."""
    order_only = Node("", {}, children=[child for child in order.children if child.name != "OrderLine"])
    told = [customer for node in (order_only, *lines) if (customer := _recipient(node)) != Customer()]
    if not told:
        return Customer()
    # Lines may differ in what is said beside the address; the address itself must be one.
    if len({replace(one, phone="", email="", instructions="") for one in told if one.name or one.lines}) > 1:
        raise Unreadable(f"line {order.line}: its lines go to different addresses, and one order is sent to one")
    address = next((one for one in told if one.name or one.lines), told[0])
    return replace(
        address,
        phone=_joined(one.phone for one in told),
        email=_joined(one.email for one in told),
        instructions=_joined(one.instructions for one in told),
    )


def _joined(texts: Iterator[str]) -> str:
    return " · ".join(dict.fromkeys(text for text in texts if text))


def _recipient(node: Node) -> Customer:
    address = node.find("DeliveryAddress")
    phones = sorted(
        (found for found in node.every() if found.name == "PhoneNumber" and found.text),
        key=lambda phone: phone.attributes.get("PhoneType", "").lower() != "mobile",
    )
    return replace(
        _address(address) if address is not None else Customer(),
        phone=", ".join(dict.fromkeys(phone.text for phone in phones)),
        email=_joined(found.text for found in node.every() if found.name == "AliasEmail"),
        instructions=_joined(found.text for found in node.every() if found.name == "DeliveryInstruction"),
    )


_ADDRESS = frozenset({"Title", "Name1", "ZIPCode", "City", "CountryCode"})


def _address(node: Node) -> Customer:
    """An address; what it has beside the known elements is one more line of it, so that nothing is lost."""
    texts = {child.name: child.text for child in node.children}
    numbered = sorted((child for child in node.children if child.name.startswith("Address")), key=lambda it: it.name)
    others = [child for child in node.every() if child not in numbered and child.name not in _ADDRESS | _PERSONAL]
    return Customer(
        name=" ".join(filter(None, (texts.get("Title"), texts.get("Name1")))),
        lines=tuple(child.text for child in (*numbered, *others) if child.text),
        postcode=texts.get("ZIPCode", ""),
        city=texts.get("City", ""),
        country=texts.get("CountryCode", ""),
    )


def _named(order: Node, names: Sequence[str]) -> str:
    """The first text of an element or attribute that has one of these names."""
    for name in names:
        for node in order.every():
            text = node.attributes.get(name, "").strip() or (node.text if node.name == name else "")
            if text:
                return text
    return ""


def _flat(node: Node, *, known: frozenset[str], path: str = "") -> Iterator[tuple[str, str]]:
    """Every text and attribute that we have no word for, by its path: `Offer.Delivery.DeliveryFee`, `Offer@Site`.

    A name that comes again is numbered: `Remark`, `Remark[2]`.
    """
    for key, value in node.attributes.items():
        if f"{path}@{key}" not in known and key != "ItemStandardID":
            yield f"{path}@{key}", value
    times: Counter[str] = Counter()
    for child in node.children:
        if child.name in _PERSONAL:
            continue
        times[child.name] += 1
        again = f"[{times[child.name]}]" if times[child.name] > 1 else ""
        name = f"{path}.{child.name}{again}" if path else f"{child.name}{again}"
        if child.text and name not in known:
            yield name, child.text
        yield from _flat(child, known=known, path=name)
