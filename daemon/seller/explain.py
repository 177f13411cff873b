"""Why a listing is sent as it is: per field what goes in, by which rule, and what comes out; and what is due (S3).

Everything is computed by the pure rules at the given instant, not read from what the last turn has left behind.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from daemon.model import AccountName, FeedRule, Moment, OfferTerms, Part, Sku, SyncState
from daemon.rules import eco, promotions, rrp, sales, stock, vat
from daemon.rules.due import obstacles
from daemon.rules.promotions import Verdict
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.values import Announced, Inputs
from daemon.store.views import View


async def explain(store: Store, account: AccountSettings, sku: Sku, now: Moment) -> View | None:
    """How the next offer of a listing comes about at this instant; None when the account has no such listing."""
    name = AccountName(account.name)
    inputs = await store.values.inputs(name, sku, account.currency, less_eco=account.offer_terms.less_eco)
    if inputs is None:
        return None
    terms, rules = account.offer_terms, account.feed_rules.values()
    fields = [_stock(inputs, terms), _end(inputs)]
    if any(Part.PRICE in rule.parts for rule in rules):
        fields[1:1] = _Price(inputs, terms, now.at).fields()
    return {
        "account": account.name,
        "sku": sku,
        "at": _iso(now.at),
        "fields": fields,
        "parts": [_part(inputs, part, rule) for rule in rules for part in sorted(rule.parts)],
        "gates": [await _gate(store, name, rule, now) for rule in rules],
    }


def _stock(inputs: Inputs, terms: OfferTerms) -> View:
    standing = inputs.standing
    reserved = inputs.reserved if terms.reserve_open_orders else 0
    given = {
        "stock": standing.stock,
        "ended": standing.ended,
        "reserved": reserved,
        **{name: value for name, value in asdict(stock.resolved(inputs.knobs, terms)).items() if value is not None},
        "own": [name for name, value in asdict(inputs.knobs).items() if value is not None],
    }
    rule = "L6: stock less reserved, less safety_stock, percentage of that (cut), at most cap, 0 below threshold"
    if standing.ended:
        rule = "L9: an ended listing offers nothing"
    value = None
    if standing.stock is not None or standing.ended:
        value = stock.offered(standing.stock or 0, inputs.knobs, terms, reserved=reserved, ended=standing.ended)
    return _field("stock", given, rule, value)


def _end(inputs: Inputs) -> View:
    return _field(
        "end", {"ended": inputs.standing.ended}, "L9: an ended listing goes out with stock 0", inputs.standing.ended
    )


class _Price:
    """The price, what stands beside it, and the period, as they hang together in a promotion."""

    def __init__(self, inputs: Inputs, terms: OfferTerms, at: datetime) -> None:
        self._inputs = inputs
        self._terms = terms
        self._at = at
        self._announced = _announced(inputs, at)
        self._ordinary = self._sent(inputs.standing.price)
        self._withheld = self._ordinary is not None and self._ordinary <= 0
        self._lowest, self._verdict = self._judge()
        sold_so = self._announced is not None and not self._verdict.blocks and not self._withheld
        self._promoted = self._announced.promotion if sold_so and self._announced else None

    def _judge(self) -> tuple[int | None, Verdict]:
        announced, history = self._announced, self._inputs.history
        if announced is None or self._ordinary is None:
            return None, Verdict()
        promotion = announced.promotion
        start = max(promotion.starts_at, announced.imported_at)
        lowest = promotions.lowest_before(history, promotions.began(history, start))
        reduced = promotions.verdict(self._ordinary, self._sent(promotion.price.minor) or 0, lowest, self._terms)
        since = history[0].since if history else None
        sale = self._inputs.sales.get(promotion.sale)
        return lowest, reduced.beside(sales.verdict(promotion, sale, announced.imported_at, since, self._terms))

    def _sent(self, minor: int | None) -> int | None:
        """What is sent of an amount of the seller (C8)."""
        if minor is None:
            return None
        return eco.without(minor, self._inputs.levies.eco_minor, included=self._terms.less_eco)

    def fields(self) -> list[View]:
        """Price, VAT, reference, period and nature."""
        return [self._price(), self._vat(), self._reference(), self._period(), self._nature()]

    def _price(self) -> View:
        given: View = {"price": self._inputs.standing.price}
        rule = "L7: the price as it was given"
        if self._announced is not None:
            given |= {"promotion": self._promotion(self._announced), "lowest_of_30_days": self._lowest}
            rule = "L11: the price of the promotion in force"
            if self._verdict.text:
                given["doubt"] = self._verdict.text
                rule += "; not sent, because its reduction is blocked" if self._verdict.blocks else "; with a warning"
        levies = self._inputs.levies
        given |= {"eco_contribution": levies.eco_minor, "epr_code": levies.epr_code}
        if self._withheld:
            rule = "C8: the eco-contribution is all of it; stock goes out with the price that is charged now"
        elif self._terms.less_eco and levies.eco_minor:
            rule += "; C8: less the eco-contribution that it includes"
        return _field("price", given, rule, self._selling)

    @property
    def _selling(self) -> int | None:
        if self._withheld:
            return self._inputs.history[-1].minor if self._inputs.history else None
        return self._ordinary if self._promoted is None else self._sent(self._promoted.price.minor)

    def _vat(self) -> View:
        own, account = self._inputs.levies.vat_rate, self._terms.vat_rate
        rate = account if own is None else own
        given: View = {"listing": _percent(own), "account": _percent(account)}
        if rate is not None and self._selling is not None:
            given["net_price"] = vat.net(self._selling, rate)
        rule = "C4: the account's rate" if own is None else "C4: the listing's own rate"
        return _field("vat", given, rule, _percent(rate))

    def _promotion(self, announced: Announced) -> View:
        view = _promotion(announced)
        history = self._inputs.history
        if not announced.promotion.sale:
            return view
        sale = self._inputs.sales.get(announced.promotion.sale)
        return view | {
            "sale": announced.promotion.sale,
            "sale_window": None if sale is None else {"start": _iso(sale.starts_at), "end": _iso(sale.ends_at)},
            "sale_deadline": None if sale is None or sale.deadline is None else _iso(sale.deadline),
            "imported_at": _iso(announced.imported_at),
            "on_offer_since": _iso(history[0].since) if history else None,
        }

    def _reference(self) -> View:
        price, recommended = self._ordinary, self._sent(self._inputs.rrp)
        given: View = {"price": price, "rrp": recommended}
        if self._withheld:
            return _field("rrp", given, "C8: nothing stands beside a price that cannot be sent", None)
        if self._announced is not None:
            value = price if price is not None and self._promoted and price > (self._selling or 0) else None
            return _field("rrp", given, "L11: in a promotion the ordinary price is the reference", value)
        discount = self._terms.rrp_discount_bp
        given["discount_rrp"] = None if discount is None else discount / 100
        rule = "L10: the RRP as it is, never below the price"
        if discount is not None:
            rule = "L10: where it promises more than discount_rrp %, price / (1 - discount), cut; never below the price"
        value = None if price is None else rrp.sent(price, recommended, discount)
        return _field("rrp", given, rule, value)

    def _period(self) -> View:
        if self._promoted is not None:
            window = {"start": _iso(self._promoted.starts_at), "end": _iso(self._promoted.ends_at)}
            return _field("period", window, "L11: the window of the promotion in force", window)
        period = self._terms.period
        if period is None:
            return _field("period", {}, "offers of this account have no period", None)
        window = {"start": _iso(self._at), "end": _iso(self._at + period)}
        return _field(
            "period", {"days": period.days}, "from the making of the feed on, for the account's period", window
        )

    def _nature(self) -> View:
        own = self._promoted.nature if self._promoted else ""
        rule = "L11: the promotion's internal nature" if own else "the account's offer nature"
        return _field("nature", {"promotion": own, "account": self._terms.nature}, rule, own or self._terms.nature)


def _announced(inputs: Inputs, at: datetime) -> Announced | None:
    found = promotions.in_force((each.promotion for each in inputs.promotions), at)
    return next((each for each in inputs.promotions if each.promotion is found), None)


def _promotion(announced: Announced) -> View:
    promotion = announced.promotion
    return {
        "price": promotion.price.minor,
        "start": _iso(promotion.starts_at),
        "end": _iso(promotion.ends_at),
        "nature": promotion.nature,
    }


#: why a part that does not wait is not sent
_UNMOVED = {
    SyncState.NOT_NEEDED: "nothing of it has changed",
    SyncState.SENT: "it has been sent, and the answer has not come yet",
    SyncState.ERROR: "it is in error: mend it, or try it again",
}


def _part(inputs: Inputs, part: Part, rule: FeedRule) -> View:
    """How a part stands, and whether the next feed of its kind takes the listing along, and why not."""
    state = inputs.standing.states[part]
    why = obstacles(rule, inputs.standing)
    if state is not SyncState.PENDING:
        why = [_UNMOVED[state]]
    return {"part": part, "state": state, "error": inputs.errors[part], "due": not why, "why": "; ".join(why)}


async def _gate(store: Store, account: AccountName, rule: FeedRule, now: Moment) -> View:
    gates = [each for each in await store.views.gates(now) if each["account"] == account and each["kind"] == rule.kind]
    view: View = {"kind": rule.kind, "open": True, "until": None, "why": ""}
    if gates:
        view |= {name: gates[0][name] for name in ("open", "until", "why")}
    unanswered = await store.feeds.unanswered(account, rule.kind) if rule.one_at_a_time else None
    if unanswered is not None:
        feed, since = unanswered
        lapses = _iso(since + rule.patience)
        view |= {"open": False, "until": max(lapses, view["until"] or lapses)}
        view["why"] = f"feed {feed} is not answered yet; it lapses at {lapses}"
    return view


def _field(name: str, given: dict[str, Any], rule: str, value: object) -> View:
    return {"field": name, "inputs": given, "rule": rule, "value": value}


def _percent(rate: Decimal | None) -> str | None:
    return None if rate is None else vat.in_percent(rate)


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
