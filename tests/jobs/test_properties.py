"""Whatever happens in whatever order: the hour is kept, nothing is lost or doubled, and in the end both sides agree."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.model import StockKnobs
from tests.jobs.scene import EAN
from tests.jobs.world import GOODS, Step, World, world

GOOD = st.integers(0, len(GOODS) - 1)
ORDER = st.integers(0, 2)

few = settings(
    max_examples=int(os.environ.get("SELLERD_EXAMPLES", "14")),
    suppress_health_check=list(HealthCheck),
)


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.just(name), st.tuples(*arguments))


def fault(name: str, **parameters: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return step("has_fault", st.just(name), st.fixed_dictionaries(parameters))


def steps(jobs: list[str], *more: st.SearchStrategy[Step]) -> st.SearchStrategy[list[Step]]:
    job = st.sampled_from(jobs)
    each = [
        step("wait", st.integers(1, 30)),
        step("wait", st.integers(31, 150)),
        step("turn", job),
        step("turn", job),
        step("turn", job),
        step("turn", st.sampled_from(["send_offers", "send_updates", "send_refunds"]), st.integers(1, 3)),
        step("answers"),
        step("answers"),
        step("all_goes_round"),
        step("all_goes_round"),
        step("sends_offers_when_told_to_come_again"),
        step("sends_offers_when_told_to_come_again"),
        step("hours_pass", st.integers(1, 3)),
        step("hours_pass", st.integers(1, 3)),
        step("hours_pass", st.integers(1, 3)),
        step("restart"),
        step("reboot"),
        step("wall_clock_wrong_by", st.sampled_from([-100_003, -61, -7, 0, 0, 13, 67, 100_003])),
        step("sends_take", st.sampled_from([0, 30, 540, 660])),
        step("describes", GOOD, st.sampled_from(["Lampe", "Lampe de table"])),
        step("restocks", GOOD, st.integers(0, 9)),
        step("restocks", GOOD, st.integers(0, 9)),
        step("ends", GOOD, st.booleans()),
        step("tries_again", GOOD),
        step("customer_orders", st.integers(1, 3)),
        step("customer_orders", st.integers(1, 3), st.integers(1, 3)),
        step("refuses_a_login"),
        *more,
    ]
    # Hypothesis alone would make most stories short; a long one that fails is cut down to the short form.
    one = st.sampled_from(each).flatmap(lambda drawn: drawn)
    long = st.lists(one, min_size=20, max_size=60)
    return st.one_of(st.lists(one, max_size=40), long, long, long)


ANY_FEED = st.sampled_from(["any", "items", "offers"])
ANY_REQUEST = st.sampled_from(["any", "items", "offers", "retrieve", "update"])
MOVES = ["acceptance", "refusal", "dispatch"]
CENTS = st.integers(1000, 1005)
KNOBS = st.builds(
    StockKnobs,
    st.none() | st.integers(0, 2),
    st.none() | st.sampled_from([0, 50, 67]),
    st.none() | st.integers(0, 7),
    st.none() | st.integers(0, 3),
)

#: what a La Redoute account says of stock, prices and rejections beyond the minimum
STOCK_RULES = st.fixed_dictionaries(
    {},
    optional={
        "safety": st.integers(0, 2),
        "percentage": st.sampled_from([0, 50, 67]),
        "cap": st.integers(0, 7),
        "below": st.integers(0, 3),
        "reserve_open_orders": st.just(True),
    },
)
OFFERS = st.fixed_dictionaries(
    {
        "reductions": st.sampled_from(["warn", "block"]),
        "unknown_history": st.sampled_from(["allow", "warn", "block"]),
        "prices_include_eco_contribution": st.booleans(),
        "vat_rate": st.sampled_from(["0.20", "0.055"]),
    }
)
ACCOUNT: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"stock_rules": STOCK_RULES, "offers": OFFERS, "block_after": st.integers(0, 3)}),
    st.fixed_dictionaries(
        {
            "stock_rules": STOCK_RULES,
            "calculate_rrp": st.just(True),
            "discount_rrp": st.sampled_from(["40", "12.5"]),
            "block_after": st.integers(0, 3),
        }
    ),
)
LA_REDOUTE_FAULT = st.one_of(
    fault("lose_report", kind=ANY_FEED),
    fault("delay_report", kind=ANY_FEED, seconds=st.just(3600)),
    fault("repeat_report", kind=ANY_FEED, same_name=st.booleans()),
    fault("cut_connection", on=ANY_REQUEST, after_apply=st.booleans()),
    fault("answer_500", on=ANY_REQUEST, after_apply=st.booleans()),
    fault("reject_ean", ean=st.just(EAN), kind=ANY_FEED),
    fault("fail_debit"),
)

LA_REDOUTE = steps(
    ["send_items", "send_offers", "send_offers", "read_reports", "download_orders", "send_updates", "send_refunds"],
    step("reprices", GOOD, CENTS, st.sampled_from([None, 1001, 1100, 2000])),
    step("promotes", GOOD, st.integers(998, 1004), st.integers(-60, 300), st.integers(1, 600)),
    step("promotes", GOOD, st.integers(700, 1004), st.integers(-5, 60), st.integers(60, 1200)),
    step("changes_promotion", GOOD, st.integers(0, 2), st.integers(700, 1004), st.integers(1, 240)),
    step("takes_back", GOOD, st.integers(0, 2)),
    step("holds_back", GOOD, KNOBS),
    step("is_levied", GOOD, st.sampled_from([None, 0, 60, 750, 1002]), st.sampled_from([None, "0.2", "0.055"])),
    step("configures", ACCOUNT),
    step("configures", ACCOUNT),
    step("unblocks", GOOD),
    step("means_it"),
    step("is_mistaken"),
    step("is_rejected_again_and_again", GOOD),
    step("order_is_accepted", st.integers(1, 3)),
    step("order_is_accepted", st.integers(1, 3), st.integers(1, 3)),
    step("cancels", ORDER, st.booleans()),
    step("cancels", ORDER, st.booleans()),
    step("decides", ORDER, st.sampled_from(MOVES), st.integers(0, 2)),
    step("decides", ORDER, st.sampled_from(MOVES), st.just(0)),
    step("portal_moves", ORDER, st.sampled_from(["Accepted", "Refused", "Shipped", "Refunding"])),
    step("answers_what_was_late"),
    LA_REDOUTE_FAULT,
    LA_REDOUTE_FAULT,
    LA_REDOUTE_FAULT,
    fault("refuse_refund"),
)

ANY_FILE = st.sampled_from(["any", "order", "dispatch", "cancel"])
ASKED = st.dictionaries(st.sampled_from(["1", "2"]), st.integers(1, 3), min_size=1)
SAID = st.sampled_from(["dispatch", "cancellation", "refund"])
JOHN_LEWIS_FAULT = st.one_of(
    fault("reject_part", part_number=st.just(GOODS[0][2])),
    fault("reject_file", kind=ANY_FILE),
    fault("half_file", missing=st.sampled_from(["marker", "data"])),
    fault("repeat_order_file", same_name=st.booleans(), changed=st.booleans()),
    fault("repeat_request", same_name=st.booleans(), changed=st.booleans()),
    fault("wrong_checksum"),
    fault("cut_upload", after=st.sampled_from([0, 40, 200])),
    fault("cut_download"),
    fault("cut_marker", made=st.booleans()),
)

JOHN_LEWIS = steps(
    ["send_offers", "read_reports", "download_orders", "read_claims", "send_updates", "send_updates", "send_refunds"],
    step("order_is_to_be_shipped", st.integers(1, 3), st.integers(1, 3)),
    step("order_is_to_be_shipped", st.integers(1, 3), st.integers(1, 3)),
    step("customer_orders_a_stranger"),
    step("lists_a_stranger"),
    step("orders_come_in_halves"),
    step("is_contradicted", ORDER, st.booleans()),
    step("is_cut_while_sending", st.just("cut_upload"), st.fixed_dictionaries({"after": st.sampled_from([0, 40])})),
    step("is_cut_while_sending", st.just("cut_marker"), st.fixed_dictionaries({"made": st.booleans()})),
    step("decides", ORDER, SAID, st.integers(0, 2)),
    step("decides", ORDER, SAID, st.integers(0, 2)),
    step("decides", ORDER, st.sampled_from(["acknowledgement", "dispatch"]), st.just(0)),
    step("cancels", ORDER, st.booleans()),
    step("asks_to_cancel", ORDER, ASKED, st.booleans()),
    step("asks_to_cancel", ORDER, ASKED, st.booleans()),
    step("accepts_claims"),
    step("says_again", ORDER),
    step("finishes_files"),
    step("resends_an_order", ORDER),
    JOHN_LEWIS_FAULT,
    JOHN_LEWIS_FAULT,
    JOHN_LEWIS_FAULT,
)
LEWIS_ACCOUNT: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "cancellations": st.fixed_dictionaries({"accept": st.sampled_from(["manual", "before_dispatch"])}),
        "after_keeping": st.sampled_from(["move", "leave", "delete"]),
    },
)


async def play(dialect: str, story: list[Step], account: Mapping[str, Any] = MappingProxyType({})) -> None:
    with TemporaryDirectory() as folder:
        async with world(Path(folder), dialect, account, World) as everybody:
            for each in story:
                await everybody.do(each)
            await everybody.settle()


@given(account=ACCOUNT, story=LA_REDOUTE)
@few
async def test_la_redoute_whatever_happens(
    account: dict[str, Any], story: list[Step]
) -> None:  # L6 L8 L10 L11 L14 C4 C8
    await play("sellr", story, account)


@given(account=LEWIS_ACCOUNT, story=JOHN_LEWIS)
@few
async def test_john_lewis_whatever_happens(
    account: dict[str, Any], story: list[Step]
) -> None:  # J4 J5 J6 J7 J8 J9 J11 J12 J14 D2 D9
    await play("edge", story, account)
