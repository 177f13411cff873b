"""Whatever happens in whatever order: the hour is kept, nothing is lost or doubled, and in the end both sides agree."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.jobs.scene import EAN
from tests.jobs.world import GOODS, Step, world

GOOD = st.integers(0, len(GOODS) - 1)
ORDER = st.integers(0, 2)

few = settings(
    max_examples=int(os.environ.get("SELLERD_EXAMPLES", "20")),
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
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
        step("turn", st.sampled_from(["send_offers", "send_updates"]), st.integers(1, 3)),
        step("answers"),
        step("answers"),
        step("all_goes_round"),
        step("all_goes_round"),
        step("sends_offers_when_told_to_come_again"),
        step("sends_offers_when_told_to_come_again"),
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
    return st.one_of(st.lists(st.one_of(each), max_size=40), st.lists(st.one_of(each), min_size=20, max_size=60))


ANY_FEED = st.sampled_from(["any", "items", "offers"])
ANY_REQUEST = st.sampled_from(["any", "items", "offers", "retrieve", "update"])
MOVES = ["acceptance", "refusal", "dispatch"]

LA_REDOUTE = steps(
    ["send_items", "send_offers", "send_offers", "read_reports", "download_orders", "send_updates"],
    step("reprices", GOOD, st.integers(1000, 1005)),
    step("decides", ORDER, st.sampled_from(MOVES), st.integers(0, 2)),
    step("decides", ORDER, st.sampled_from(MOVES), st.just(0)),
    step("portal_moves", ORDER, st.sampled_from(["Accepted", "Refused", "Shipped", "Refunding"])),
    step("answers_what_was_late"),
    fault("lose_report", kind=ANY_FEED),
    fault("delay_report", kind=ANY_FEED, seconds=st.just(3600)),
    fault("repeat_report", kind=ANY_FEED, same_name=st.booleans()),
    fault("cut_connection", on=ANY_REQUEST, after_apply=st.booleans()),
    fault("answer_500", on=ANY_REQUEST, after_apply=st.booleans()),
    fault("reject_ean", ean=st.just(EAN), kind=ANY_FEED),
    fault("fail_debit"),
)

JOHN_LEWIS = steps(
    ["send_offers", "send_offers", "read_reports", "download_orders", "send_updates", "send_updates"],
    step("decides", ORDER, st.just("dispatch"), st.integers(0, 2)),
    step("decides", ORDER, st.sampled_from(["acknowledgement", "dispatch"]), st.just(0)),
    step("finishes_files"),
    step("resends_an_order", ORDER),
    fault("reject_part", part_number=st.just(GOODS[0][2])),
    fault("reject_file", kind=st.sampled_from(["any", "order", "dispatch"])),
    fault("half_file", missing=st.sampled_from(["marker", "data"])),
    fault("repeat_order_file", same_name=st.booleans(), changed=st.booleans()),
    fault("wrong_checksum"),
)


async def play(dialect: str, story: list[Step]) -> None:
    with TemporaryDirectory() as folder:
        async with world(Path(folder), dialect) as everybody:
            for each in story:
                await everybody.do(each)
            await everybody.settle()


@given(story=LA_REDOUTE)
@few
async def test_la_redoute_whatever_happens(story: list[Step]) -> None:  # L8 D2 D9
    await play("sellr", story)


@given(story=JOHN_LEWIS)
@few
async def test_john_lewis_whatever_happens(story: list[Step]) -> None:  # J4 J11 D2 D9
    await play("edge", story)
