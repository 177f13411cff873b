"""The La Redoute of the sandbox: its catalogue, offers, orders and reports, and what it does later by itself."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import tostring
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from daemon.sandbox.clock import Agenda, Moment, Stamps
from daemon.sandbox.disk import Dropbox, Numbers
from daemon.sandbox.faults import Faults
from daemon.sandbox.items import Item, Verdict, judge_items
from daemon.sandbox.offers import Injection, Offer, Turned, judge_offers
from daemon.sandbox.orders import Book, Line, Move, Order, Retrieval, Status, made_up_customer, status_of, write_orders
from daemon.sandbox.reports import write_report
from daemon.sandbox.settings import LaRedouteSettings
from daemon.sandbox.strict import Mistake

FeedKind = Literal["items", "offers"]


@dataclass(frozen=True, slots=True)
class FeedArrival:
    """One request that carried a feed, from its first byte to its reply.

    `outcome` is accepted, refused, cut or failed; a feed that was cut or failed only after it was applied is accepted.
    `started_boot` and `ended_boot` are seconds of CLOCK_BOOTTIME; `at` is the start in UTC. `sha256` is that of the
    file that was read, empty where none was.
    """

    kind: FeedKind
    batch_id: str
    file_name: str
    elements: int
    started_boot: float
    ended_boot: float
    at: datetime
    outcome: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the catalogue, with the part number that La Redoute gave it."""

    item: Item
    part_number: str


@dataclass(frozen=True, slots=True)
class _Feed:
    kind: FeedKind
    batch_id: str
    file_name: str


class LaRedoute:
    """La Redoute's memory. `files` is the root of its SFTP; everything runs on the event loop of the sandbox."""

    def __init__(self, settings: LaRedouteSettings, files: Path, dropbox: Dropbox, numbers: Numbers) -> None:
        self.settings = settings
        self.files = files
        self.faults = Faults("laredoute")
        self.catalogue: dict[str, Product] = {}
        self.offers: dict[str, Offer] = {}
        self.book = Book()
        self.feeds: list[FeedArrival] = []
        #: SHA-256 of each request to update orders that came in, with *** in the place of its key
        self.update_requests: list[str] = []
        self.agenda = Agenda(settings.delay)
        self._dropbox = dropbox
        self._numbers = numbers
        self._stamps = Stamps()
        self._zone = ZoneInfo(settings.time_zone)
        self._current: dict[str, str] = {}
        self.jammed: set[str] = set()
        self._unanswered: dict[str, float] = {}
        self._brought_by: dict[str, str] = {}
        for folder in ("reports", "orders"):
            (files / folder).mkdir(parents=True, exist_ok=True)

    @property
    def orders(self) -> dict[str, Order]:
        """Every order by its number."""
        return self.book.orders

    def take_items(self, items: Sequence[Item]) -> str:
        """Take an item file that has been read; its report follows. Gives the BatchId."""
        feed = _Feed("items", self._batch_id(), "")
        if self.settings.review:
            self._answer_later(feed, lambda: self._receive(feed, items))
        else:
            self._answer_later(feed, lambda: self._look_at(items))
        return feed.batch_id

    def take_offers(self, injection: Injection, offers: Sequence[Offer]) -> str:
        """Take an offer file that has been read; its report follows, unless it jams. Gives the BatchId.

        A file name comes once (Turned, 9999); with Overwrite the newer file takes the place of the older, which then
        gets no report any more.
        """
        if injection.file_name in self._current and not injection.overwrite:
            raise Turned("9999", f"{injection.file_name} was received before")
        feed = _Feed("offers", self._batch_id(), injection.file_name)
        self._current[feed.file_name] = feed.batch_id
        self._jam(feed.batch_id)
        self._answer_later(feed, lambda: list(map(self._publish, offers, judge_offers(offers, self.catalogue))))
        return feed.batch_id

    def arrived(
        self, kind: FeedKind, started: Moment, outcome: str, batch_id: str, file_name: str, size: int, content: bytes
    ) -> None:
        """Note that a request with a feed has come to its end."""
        times, sha256 = (started.boot, Moment.now().boot, started.at), hashlib.sha256(content).hexdigest()
        self.feeds.append(FeedArrival(kind, batch_id, file_name, size, *times, outcome, sha256 if content else ""))

    def asked_to_update(self, request: bytes) -> None:
        """Note that a request to update orders has come in."""
        key = escape(self.settings.update_orders_key).encode()
        self.update_requests.append(hashlib.sha256(request.replace(key, b"***")).hexdigest())

    def offer_gaps(self, *, all_requests: bool = False) -> list[float]:
        """Give the seconds between the end of each offer feed and the start of the next (guide L8).

        Counts the accepted ones, or every request that brought one.
        """
        feeds = [it for it in self.feeds if it.kind == "offers" and (all_requests or it.outcome == "accepted")]
        return [after.started_boot - before.ended_boot for before, after in pairwise(feeds)]

    async def answer_now(self, *, held: bool = False) -> None:
        """Write every report and make every move that waits now; with `held` those too that a fault delays."""
        self.agenda.run_now(held=held)

    def place_order(
        self,
        lines: Sequence[tuple[str, int]],
        number: str | None = None,
        *,
        placed_at: datetime | None = None,
        shipping_method: str = "Standard",
        payment_method: str = "Credit card",
    ) -> Order:
        """Let a made-up customer order lines of (EAN, quantity). Raises Mistake where the number is taken."""
        customer = self._numbers.next("laredoute customer")
        order_id = number or f"{2_000_000_000 + self._numbers.next('laredoute order')}"
        order = Order(
            order_id,
            (placed_at or Moment.now().at).astimezone(self._zone).replace(tzinfo=None),
            tuple(
                Line(f"{order_id}{place:02d}", ean, quantity, self._price(ean))
                for place, (ean, quantity) in enumerate(lines, 1)
            ),
            made_up_customer(customer),
            shipping_method,
            payment_method,
        )
        self.book.add(order)
        return order

    def retrieve(self, retrieval: Retrieval) -> list[Order]:
        """Give the orders that belong into the reply; where the SFTP is an answer, they are put there too."""
        orders = [order for order in self.book.orders.values() if retrieval.wants(order)]
        if orders and self.settings.answers != "reply":
            name = f"orders-{self._stamps.next()}-{self._numbers.next('laredoute orders file')}.xml"
            content: bytes = tostring(write_orders(orders), encoding="utf-8", xml_declaration=True)
            self._dropbox.put(self.files / "orders" / name, content)
        return [] if self.settings.answers == "sftp" else orders

    def update(self, moves: Sequence[Move]) -> None:
        """Make all the seller's moves or none (Mistake); debits and refunds follow later."""
        self.book.move(moves)
        for move in moves:
            if move.to is Status.ACCEPTED:
                self.agenda.add(partial(self._debit, move.line_id))
            elif move.to is Status.REFUNDING:
                self.agenda.add(partial(self._refund, move.line_id))

    def portal_change(self, line_id: str, status: str) -> None:
        """Change a line as somebody at the portal, or La Redoute itself, would. Raises Mistake for an illegal move."""
        self.update([Move("portal", line_id, status_of(status))])

    def refuse_later(self, ean: str, code: str = "E012", text: str = "PRODUIT REFUSÉ") -> None:
        """Take a product out of the catalogue again and say so in another report on the feed that brought it.

        Raises Mistake where the product is not there.
        """
        if ean not in self.catalogue:
            raise Mistake(f"{ean} is not in the catalogue")
        product = self.catalogue.pop(ean)
        self.offers.pop(ean, None)
        feed = _Feed("items", self._brought_by[ean], "")
        self._report(feed, [Verdict(ean, code=code, text=text, part_number=product.part_number)], "-refused")

    def state(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {
            "catalogue": {ean: asdict(product) for ean, product in self.catalogue.items()},
            "offers": {ean: asdict(offer) for ean, offer in self.offers.items()},
            "orders": {number: asdict(order) for number, order in self.orders.items()},
            "feeds": [asdict(feed) for feed in self.feeds],
            "offer_gaps": self.offer_gaps(),
            "jammed": sorted(self.jammed),
            "waiting": len(self.agenda),
            "faults": [asdict(fault) for fault in self.faults.waiting],
        }

    def _batch_id(self) -> str:
        return f"B{self._numbers.next('laredoute batch'):08d}"

    def _price(self, ean: str) -> Decimal:
        return self.offers[ean].amount if ean in self.offers else Decimal("19.90")

    def _answer_later(self, feed: _Feed, work: Callable[[], list[Verdict]]) -> None:
        late = self.faults.take("delay_report", kind=feed.kind)
        self.agenda.add(lambda: self._answer(feed, work, late["seconds"] if late else 0.0))

    def _jam(self, batch_id: str) -> None:
        """Let an offer feed that comes too soon after one without an answer jam with it."""
        now = Moment.now().boot
        within = self.settings.jam_within
        older = {other for other, since in self._unanswered.items() if within is not None and now - since <= within}
        if older:
            self.jammed |= older | {batch_id}
        self._unanswered[batch_id] = now

    def _answer(self, feed: _Feed, work: Callable[[], list[Verdict]], hold: float) -> None:
        """Work a feed off, then report, unless it jammed or a newer file of the same name took its place.

        Feeds are worked off in the order in which they came, however late their reports are.
        """
        if feed.batch_id in self.jammed or self._current.get(feed.file_name, feed.batch_id) != feed.batch_id:
            return
        verdicts = work()
        if hold:
            self.agenda.add(lambda: self._report(feed, verdicts), hold=hold)
        else:
            self._report(feed, verdicts)

    def _report(self, feed: _Feed, verdicts: Sequence[Verdict], more: str = "") -> None:
        self._unanswered.pop(feed.batch_id, None)
        if feed.kind == "items":
            self._brought_by |= {verdict.ean: feed.batch_id for verdict in verdicts}
        if self.faults.take("lose_report", kind=feed.kind) is not None:
            return
        form = self.settings.report_format
        content = write_report(feed.batch_id, feed.file_name, verdicts, form)
        path = self.files / "reports" / f"report-{feed.batch_id}{more}.{form}"
        self._dropbox.put(path, content)
        if again := self.faults.take("repeat_report", kind=feed.kind):
            second = path if again["same_name"] else path.with_name(f"report-{feed.batch_id}{more}-2.{form}")
            self.agenda.add(lambda: self._dropbox.put(second, content))

    def _receive(self, feed: _Feed, items: Sequence[Item]) -> list[Verdict]:
        """Say at once what is wrong by form; the rest is pending until somebody has looked at it."""
        first = judge_items(items)
        seen = [item for item, verdict in zip(items, first, strict=True) if verdict.good]
        if seen:
            self.agenda.add(lambda: self._report(feed, self._look_at(seen), "-reviewed"))
        return [replace(verdict, pending=True) if verdict.good else verdict for verdict in first]

    def _look_at(self, items: Sequence[Item]) -> list[Verdict]:
        return list(map(self._integrate, items, judge_items(items, self.settings.brands)))

    def _integrate(self, item: Item, verdict: Verdict) -> Verdict:
        if rejected := self._rejected(verdict, "items"):
            return rejected
        known = self.catalogue.get(item.ean)
        part_number = known.part_number if known else f"LR{self._numbers.next('laredoute part'):09d}"
        self.catalogue[item.ean] = Product(item, part_number)
        return Verdict(item.ean, part_number=part_number)

    def _publish(self, offer: Offer, verdict: Verdict) -> Verdict:
        if rejected := self._rejected(verdict, "offers"):
            return rejected
        self.offers[offer.ean] = offer
        return verdict

    def _rejected(self, verdict: Verdict, kind: FeedKind) -> Verdict | None:
        if asked := self.faults.take("reject_ean", ean=verdict.ean, kind=kind):
            return Verdict(verdict.ean, verdict.sku, asked["code"], asked["text"])
        return None if verdict.good else verdict

    def _debit(self, line_id: str) -> None:
        """Debit the buyer of an accepted line; where that fails, the line is cancelled (Sell-R A6)."""
        line = self.book.line(line_id)
        if line.status is not Status.ACCEPTED:
            return
        if self.faults.take("fail_debit") is not None:
            line.status = Status.TO_CANCEL
            self.agenda.add(partial(self._cancel, line_id))
        else:
            line.status = Status.TO_SHIP

    def _cancel(self, line_id: str) -> None:
        line = self.book.line(line_id)
        if line.status is Status.TO_CANCEL:
            line.status = Status.CANCELLED

    def _refund(self, line_id: str) -> None:
        line = self.book.line(line_id)
        if line.status is Status.REFUNDING:
            line.status = Status.REFUND_REFUSED if self.faults.take("refuse_refund") is not None else Status.REFUNDED
