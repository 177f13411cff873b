"""What an account at La Redoute may and may not say."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.model import ChannelStatus, Deadlines, FeedKind, LineState, OfferTerms, Part, UpdateKind
from tests.marketplaces.sellr.made_up import settings, table

#: nothing that is not live may go to La Redoute itself
ELSEWHERE = {name: f"https://there.example.test/{name}" for name in ("items", "offers", "orders")}


def problem(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(**changes)
    return str(caught.value)


def test_the_least_that_must_be_said_gives_the_guides_defaults() -> None:
    made = settings()
    assert (made.currency, made.time_zone, made.environment) == ("EUR", "Europe/Paris", "live")
    assert (made.folders.reports, made.folders.orders, made.after_keeping) == ("reports", "orders", "leave")
    assert (made.orders.source, made.orders.accept) == ("both", "manual")
    assert made.sftp_logins == {"sftp": made.sftp}
    assert made.update_answer_wait == timedelta(0)
    assert not made.acknowledges


def test_first_offers_stock_price_and_end_travel_together_an_hour_apart() -> None:  # L3
    rules = settings().feed_rules
    offer, item = rules[FeedKind.OFFER], rules[FeedKind.ITEM]
    assert offer.parts == {Part.STOCK, Part.PRICE, Part.END}
    assert (offer.needs, offer.ended_needs) == (ChannelStatus.PRODUCT_INTEGRATED, ChannelStatus.OFFER_INTEGRATED)
    assert (offer.interval, offer.patience, offer.one_at_a_time) == (timedelta(hours=1), timedelta(hours=2), True)
    assert offer.needs_price
    assert item.parts == {Part.ITEM}
    assert (item.needs, item.interval) == (ChannelStatus.ABSENT, timedelta(0))
    assert (item.patience, item.one_at_a_time, item.needs_price) == (timedelta(hours=24), False, False)


def test_only_the_legal_moves_are_the_sellers() -> None:  # L12
    moves = settings().legal_moves
    assert moves.from_states == {
        UpdateKind.ACCEPTANCE: {LineState.NEW},
        UpdateKind.REFUSAL: {LineState.NEW},
        UpdateKind.DISPATCH: {LineState.TO_SHIP},
        UpdateKind.REFUND: {LineState.TO_SHIP, LineState.SHIPPED},
    }
    assert moves.cancels == (UpdateKind.REFUSAL, UpdateKind.REFUND)
    assert moves.by_units == frozenset()


def test_deadlines_are_ours_unless_the_account_says_otherwise() -> None:  # L12
    hour = timedelta(hours=1)
    assert settings().deadlines == Deadlines(24 * hour, 48 * hour, 6 * hour)
    said = {"accept_within": "0s", "ship_within": "3d", "warn_before": "1h"}
    assert settings(orders=said).deadlines == Deadlines(timedelta(), 72 * hour, hour)


def test_orders_in_stock_are_accepted_only_where_the_account_says_so() -> None:  # L13
    assert not settings().accepts_in_stock
    assert settings(orders={"accept": "in_stock"}).accepts_in_stock


@pytest.mark.parametrize("environment", ["live", "uat"])
def test_less_than_an_hour_is_refused_with_the_reason(environment: str) -> None:
    text = problem(environment=environment, offers={"interval": "59m"})
    assert "offers" in text
    assert "guide L8" in text
    assert '"1h"' in text


def test_the_sandbox_may_be_faster() -> None:
    quick = settings(environment="sandbox", offers={"interval": "5s"}, urls=ELSEWHERE)
    assert quick.offers.interval == timedelta(seconds=5)


@pytest.mark.parametrize("environment", ["uat", "sandbox"])
def test_what_is_not_live_never_goes_to_la_redoute_by_an_oversight(environment: str) -> None:  # L8
    told = problem(environment=environment)
    for name in ELSEWHERE:
        assert f"{name}: " in told
    assert f'is La Redoute itself; for environment = "{environment}" write' in told
    assert settings(environment=environment, urls=ELSEWHERE).urls.items == ELSEWHERE["items"]


def test_a_test_login_at_the_usual_addresses_has_them_written_out_and_the_sandbox_never() -> None:  # L8
    usual = dict(settings().urls)
    assert dict(settings(environment="uat", urls=usual).urls) == usual
    assert "items: api-gateway.laredoute.com is La Redoute itself" in problem(environment="sandbox", urls=usual)
    assert "offers: " in problem(environment="uat", urls={"items": usual["items"], "orders": usual["orders"]})


@pytest.mark.parametrize(
    ("urls", "text"),
    [
        ({"items": "http://api.example.test/items"}, "items: http:// would send the password in clear"),
        ({"offers": "https://user:pw@api.example.test/"}, "offers: no user or password in a URL"),
        ({"orders": "api.example.test/orders"}, "orders: not an absolute URL"),
        ({"orders": "ftp://api.example.test/orders"}, "orders: only https://"),
        ({"orders": "https://api.example.test:port/"}, "orders: not a URL"),
        ({"items": "https://[::1/"}, "items: not a URL"),
    ],
)
def test_an_unsafe_url_is_refused_with_the_fix(urls: dict[str, str], text: str) -> None:
    told = problem(urls=urls)
    assert text in told
    assert "made-up-password" not in told


def test_every_bad_url_is_told_at_once() -> None:
    told = problem(urls={"items": "http://a.example.test/", "offers": "http://b.example.test/"})
    assert "items:" in told
    assert "offers:" in told


def test_plain_http_only_to_this_machine_and_only_in_the_sandbox() -> None:
    for host in ("127.0.0.1:8080", "localhost", "[::1]:80"):
        settings(environment="sandbox", urls=ELSEWHERE | {"items": f"http://{host}/items"})
        problem(environment="live", urls={"items": f"http://{host}/items"})
    problem(environment="sandbox", urls=ELSEWHERE | {"items": "http://api.example.test/items"})


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"vendor": "1001"}, "vendor"),
        ({"offers": {"intervall": "1h"}}, "offers.intervall"),
        ({"report": {"columns": {"sku_": "SKU"}}}, "report.columns.sku_"),
        ({"offers": {"vat_rate": 0.2}}, "offers.vat_rate"),
        ({"offers": {"vat_rate": "20"}}, "offers.vat_rate"),
        ({"offers": {"delivery_fee": "4,90"}}, "offers.delivery_fee"),
        ({"offers": {"delivery_days_min": 9}}, "offers"),
        ({"report": {"encodings": ["utf-8", "cp1253x"]}}, "report.encodings.1"),
        ({"report": {"delimiter": ";;"}}, "report.delimiter"),
        ({"tracking_url": "https://carrier.example.test/"}, "tracking_url"),
        ({"orders": {"ship": {"carrier": "car rier"}}}, "orders.ship.carrier"),
        ({"orders": {"states": {"Paid": "gone"}}}, "orders.states.Paid"),
        ({"login": {"user": "a:b", "password": {"env": "NOT_THERE"}}}, "login.user"),
        ({"time_zone": "Europe/Pariss"}, "time_zone"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(changes: dict[str, Any], place: str) -> None:
    assert place in problem(**changes).splitlines()


def test_secrets_stay_out_of_every_text() -> None:
    made = settings()
    for text in (repr(made), str(made), made.model_dump_json()):
        assert "items&key" not in text
        assert "made-up" not in text


@pytest.mark.parametrize(
    ("literal", "state"),
    [
        ("Created", LineState.NEW),
        ("TO SHIP", LineState.TO_SHIP),
        ("toShip", LineState.TO_SHIP),
        ("To_approve", LineState.REFUNDING),
        ("refund refused", LineState.REFUND_REFUSED),
        ("Lost", None),
    ],
)
def test_status_literals_are_read_without_case_and_spaces(literal: str, state: LineState | None) -> None:  # L12
    assert settings().orders.state(literal) is state


def test_an_account_may_teach_a_literal_and_change_one() -> None:
    orders = settings(orders={"states": {"En attente": "new", "Paid": "shipped"}}).orders
    assert orders.state("en-attente") is LineState.NEW
    assert orders.state("PAID") is LineState.SHIPPED


def test_unset_defaults_pass_their_own_checks() -> None:
    """Defaults are not validated when they are used; so they are here."""
    made = settings()
    again = table()
    for name in ("urls", "folders", "report", "orders", "offers", "items"):
        again[name] = getattr(made, name).model_dump()
    assert settings(**again) == made


@pytest.mark.parametrize(("written", "points"), [(40, 4000), ("40", 4000), (33.5, 3350), ("5.25", 525), (99.99, 9999)])
def test_discount_rrp_is_a_percentage(written: object, points: int) -> None:  # L10
    assert settings(calculate_rrp=True, discount_rrp=written).offer_terms.rrp_discount_bp == points
    assert settings(calculate_rrp=False, discount_rrp=written).offer_terms.rrp_discount_bp is None


@pytest.mark.parametrize("changes", [{}, {"discount_rrp": 0}, {"discount_rrp": 100}, {"discount_rrp": "a lot"}])
def test_calculate_rrp_wants_a_discount(changes: dict[str, Any]) -> None:  # L10
    assert "discount_rrp" in problem(calculate_rrp=True, **changes)


def test_the_terms_of_offers_come_from_the_configuration() -> None:  # L6 L11
    twenty = Decimal("0.20")
    assert settings().offer_terms == OfferTerms(period=timedelta(days=365), nature="Standard", vat_rate=twenty)
    made = settings(
        stock_rules={"safety": 2, "percentage": 80, "cap": 50, "below": 3, "reserve_open_orders": True},
        offers={"reductions": "block", "unknown_history": "allow", "period_days": 30, "offer_nature": "Normal"},
    )
    knobs, period = OfferTerms(2, 80, 50, 3, True, None, "block", "allow"), timedelta(days=30)
    assert made.offer_terms == replace(knobs, period=period, nature="Normal", vat_rate=twenty)
    made = settings(offers={"sales": "block", "prices_include_eco_contribution": True})
    assert (made.offer_terms.sale_policy, made.offer_terms.less_eco) == ("block", True)
    assert "percentage" in problem(stock_rules={"percentage": 101})


@pytest.mark.parametrize(
    ("offers", "told"),
    [
        ({"vat_rate": "0.196"}, "vat_rate: 19.6 % is no VAT rate of mainland France, where there are 20 %, 10 %"),
        ({"vat_rate": "0.20", "vat_territory": "dom"}, "20 % is no VAT rate of the overseas departments"),
        ({"vat_rate": "20"}, "offers.vat_rate"),
        ({"vat_territory": "monaco"}, "offers.vat_territory"),
    ],
)
def test_a_vat_rate_is_held_against_those_of_its_territory(offers: dict[str, str], told: str) -> None:  # C4
    assert told in problem(offers=offers)


def test_the_vat_rates_of_each_territory_are_taken() -> None:  # C4
    for rate, territory in (("0.055", "mainland"), ("0.085", "dom"), ("0.009", "corsica"), ("0.0", "any")):
        made = settings(offers={"vat_rate": rate, "vat_territory": territory})
        assert made.offer_terms.vat_rate == Decimal(rate)
        assert made.vat_territory == territory


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"attributes": {"manufacturer_mail": "A9001"}}, "did you mean manufacturer_email?"),
        ({"attributes": {"manufacturer": "9001"}}, "items.safety.attributes.manufacturer"),
        ({"manufacturer_country": "France"}, "items.safety.manufacturer_country"),
    ],
)
def test_attributes_of_product_safety_have_known_fields_and_codes(table: dict[str, Any], told: str) -> None:  # C9
    assert told in problem(items={"safety": table})


def test_product_safety_is_asked_for_unless_it_is_switched_off() -> None:  # C9
    limits = settings(items={"safety": {"manufacturer": "Exemple SA"}}).item_limits
    assert limits is not None
    assert limits.safety is not None
    assert limits.safety.defaults.manufacturer == "Exemple SA"
    limits = settings(items={"safety": {"check": False}}).item_limits
    assert limits is not None
    assert limits.safety is None


def test_la_redoute_takes_euros_only() -> None:  # C13
    assert "in euros only" in problem(currency="GBP")
    assert settings(currency="EUR").currency == "EUR"
