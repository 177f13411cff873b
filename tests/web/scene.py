"""A shop in the middle of its day: listings good and bad, feeds answered, orders that wait, a file that stands aside."""

from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO

from daemon.errors import Unreadable
from daemon.model import (
    AnswerLine,
    CancellationRequest,
    ClaimLine,
    Customer,
    Delivery,
    Feed,
    FeedKind,
    LineState,
    Moment,
    Money,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
)
from daemon.rules.causes import Cause, CauseKind
from daemon.seller.columns import ImportKind
from daemon.seller.imports import import_file
from daemon.store.deliveries import DeliveryKind, DeliveryState
from tests.seller.conftest import NOON, redoute
from tests.web.conftest import LEWIS, REDOUTE, Asked

SECRET = "Made Up Lane 5"
#: a title that would be a script, were it not shown as text
TITLE = "<script>alert(1)</script> Lampe"
REJECTION = "MARQUE INCONNUE"

_HEAD = "sku,ean,category,product_id,master_sku,title,description,brand,catalogue_id,photo_1\n"
_LISTINGS = _HEAD + "".join(
    f"{sku},{ean},S1,LAMP,{sku},{title},Une belle lampe de salon,B1,C1,https://pictures.example.test/1.jpg\n"
    for sku, ean, title in (
        ("LAMP-1", "3701234567013", TITLE),
        ("LAMP-2", "3701234567020", "Lampe noire"),
        ("LAMP-3", "3701234567037", "Lampe verte"),
        ("LAMP/4", "3701234567044", "Lampe bleue"),
    )
)


async def set_up(daemon: Asked) -> None:
    """Put everything into the store of a daemon."""
    await _import(daemon, ImportKind.LISTINGS, _LISTINGS)
    await _import(daemon, ImportKind.STOCK, "sku,stock\nLAMP-1,5\nLAMP-2,6\nLAMP-3,7\nLAMP/4,8\n")
    await _import(daemon, ImportKind.PRICES, "sku,price\nLAMP-1,49.90\nLAMP-2,59.90\n")
    await _feed(daemon)
    await _guard(daemon)
    await _orders(daemon)
    await _deliveries(daemon)
    await _turns(daemon)


async def _import(daemon: Asked, kind: ImportKind, text: str) -> None:
    report = await import_file(daemon.store, redoute(), kind, BytesIO(text.encode()), NOON)
    assert report.as_dict()["refused"] == 0, report.as_dict()


async def _feed(daemon: Asked) -> None:
    """One item feed, of which a report has accepted one listing and rejected two, one of them for good."""
    store, rule = daemon.store, redoute().feed_rules[FeedKind.ITEM]
    feed = await store.feeds.open(REDOUTE, rule, daemon.clocks())
    assert isinstance(feed, Feed)

    async def content() -> AsyncIterator[bytes]:
        yield b"<items><item>LAMP-1</item><b>not a page</b></items>"

    payload, _ = await store.payloads.write(content(), NOON)
    spooled = await store.feeds.spooled(feed, "items-1.xml", payload, NOON)
    await store.feeds.sent(spooled, rule, "B1", daemon.clocks())

    async def report() -> AsyncIterator[bytes]:
        yield "BatchId;EAN;Status\nB1;3701234567013;OK\n\xe9".encode("latin-1")

    received, size = await store.payloads.write(report(), NOON)
    file = RemoteFile("reports", "report-1.csv", size, NOON)
    kept = await store.deliveries.keep(REDOUTE, DeliveryKind.REPORT, file, received, NOON)
    lines = [
        AnswerLine(True, remote_ref="B1", sku="LAMP-1", channel_item_id="LR1"),
        AnswerLine(False, remote_ref="B1", sku="LAMP-2", code="E7", text=REJECTION),
    ]
    await store.answers.apply(REDOUTE, lines, NOON, kept.id)
    wrong = [AnswerLine(False, remote_ref="B1", sku="LAMP-3", code="E8", text="PHOTO TROP PETITE")]
    await store.answers.apply(REDOUTE, wrong, NOON, kept.id, block_after=1)
    await store.deliveries.move(kept.id, DeliveryState.APPLIED)


async def _guard(daemon: Asked) -> None:
    """A price that falls to a fifth, which is held back until a person has seen it."""
    store, account = daemon.store, redoute()
    rule = account.feed_rules[FeedKind.OFFER]
    first = await store.feeds.open(REDOUTE, rule, daemon.clocks(), account.offer_terms, account.guard.terms)
    assert isinstance(first, Feed)

    async def content() -> AsyncIterator[bytes]:
        yield b"<offers/>"

    payload, _ = await store.payloads.write(content(), NOON)
    spooled = await store.feeds.spooled(first, "offers-2.xml", payload, NOON)
    await store.feeds.sent(spooled, rule, "B2", daemon.clocks())
    await store.answers.apply(REDOUTE, [AnswerLine(True, remote_ref="B2", sku="LAMP-1")], NOON)
    await let_fall(daemon, "9.90")


async def let_fall(daemon: Asked, price: str) -> None:
    """The price of LAMP-1 falls so far that the guard holds it back when the next feed would leave."""
    await _import(daemon, ImportKind.PRICES, f"sku,price\nLAMP-1,{price}\n")
    account = redoute()
    rule = account.feed_rules[FeedKind.OFFER]
    later = Moment(NOON + timedelta(hours=2), "boot-1", 7_201_000_000_000, synchronised=True)
    opened = await daemon.store.feeds.open(REDOUTE, rule, later, account.offer_terms, account.guard.terms)
    assert opened is None


async def _orders(daemon: Asked) -> None:
    customer = Customer(name="A. Nobody", lines=(SECRET,), postcode="01000", city="Nulle Part", country="FR")

    def line(ref: str, quantity: int, state: LineState) -> OrderLine:
        return OrderLine(ref, quantity, state, ean="3701234567013", title="Lampe", unit_price=Money(4990, "EUR"))

    new, ready = LineState.NEW, LineState.TO_SHIP
    orders = [
        Order(OrderNumber("O-1"), (line("1", 2, new), line("2", 1, new)), shipping=customer, ordered_at=NOON),
        Order(OrderNumber("O-2"), (line("1", 1, ready),), shipping=customer, ordered_at=NOON),
        Order(OrderNumber("O-3"), (line("1", 1, ready),), shipping=customer, ordered_at=NOON - timedelta(days=9)),
        Order(OrderNumber("O-4"), (line("1", 1, new),), shipping=customer, ordered_at=NOON),
        Order(OrderNumber("O-5"), (line("1", 3, LineState.SHIPPED),), shipping=customer, ordered_at=NOON),
    ]
    for order in orders:
        content = order.number.encode()
        file = RemoteFile("orders", f"{order.number}.xml", len(content))
        await daemon.store.orders.keep(REDOUTE, [Delivery(file, content, (order,))], NOON)
    theirs = Order(OrderNumber("J/1"), (line("1", 3, ready),), shipping=customer, ordered_at=NOON)
    delivery = Delivery(RemoteFile("orders", "order-1.txt", 3), b"J/1", (theirs,))
    await daemon.store.orders.keep(LEWIS, [delivery], NOON)
    request = CancellationRequest(OrderNumber("J/2"), (ClaimLine("1", 2),), reason="changed their mind")
    asked = Order(OrderNumber("J/2"), (line("1", 3, ready),), shipping=customer, ordered_at=NOON)
    await daemon.store.orders.keep(LEWIS, [Delivery(RemoteFile("orders", "order-2.txt", 3), b"J/2", (asked,))], NOON)
    claim = Delivery(RemoteFile("cancellations", "cancel-1.txt", 6), b"cancel", (request,))
    await daemon.store.claims.keep(LEWIS, [claim], NOON, answer_within=timedelta(hours=24))
    causes = [
        Cause(CauseKind.SILENCE, "orders of redoute has not succeeded for 5 h", REDOUTE, "orders"),
        Cause(CauseKind.SET_ASIDE, "2 files of redoute stand aside", REDOUTE),
    ]
    await daemon.store.alerts.observe(causes, NOON, timedelta(minutes=5))


async def _deliveries(daemon: Asked) -> None:
    for name in ("bad.xml", "worse.xml"):
        broken: Delivery[Order] = Delivery(
            RemoteFile("orders", name, 7, NOON), name.encode(), Unreadable("line 1: no element Order")
        )
        await daemon.store.orders.keep(REDOUTE, [broken], NOON)


async def _turns(daemon: Asked) -> None:
    for job, ending, note in (("items", "done", ""), ("orders", "failed", "no route to host"), ("offers", "held", "")):
        run = await daemon.store.runs.started(REDOUTE, job, NOON)
        held = NOON + timedelta(minutes=40) if ending == "held" else None
        await daemon.store.runs.ended(run, ending, 1, note, held, NOON + timedelta(seconds=2))  # type: ignore[arg-type]
