"""The page of benchmarks is what was measured, and leaves out nothing that was asked. No test here is one of speed."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import FAMILIES
from benchmarks.accounts import NOW, johnlewis, laredoute
from benchmarks.asked import ASKED
from benchmarks.document import DOCUMENT, GROWTH, IMAGES, MEASURED, ROOT, measured, written
from benchmarks.limits import LIMITS
from benchmarks.pairs import Measure, Pair, Trial, Wanted
from benchmarks.quiet import open_quiet
from daemon.crontab import CRONTAB
from daemon.model import AccountName
from daemon.runner import Runner, Task
from daemon.settings import AccountSettings
from daemon.store import open_store

#: what of speed and scale is asked for, in the order in which it is asked
KEYS = [
    *("fetch-loopback", "fetch-20ms", "fetch-20ms-serial", "poll-loopback", "poll-20ms", "orders", "stock-feed"),
    *("offer-feed", "report", "import", "accounts", "idle", "start", "one-change"),
]


def _rows() -> list[dict[str, object]]:
    return [row for name, told in measured().items() if name != GROWTH for row in told["rows"]]


def test_the_page_is_what_was_measured() -> None:
    assert DOCUMENT.read_text("utf-8") == written(), "run python -m benchmarks document"


def test_the_page_names_everything_that_is_asked() -> None:
    assert [asked.key for asked in ASKED] == KEYS
    page = DOCUMENT.read_text("utf-8")
    for asked in ASKED:
        assert f"| {asked.work} | {asked.beside} | {asked.target} |" in page


def test_what_was_measured_answers_what_is_asked() -> None:
    assert {row["asks"] for row in _rows()} - {""} <= set(KEYS)


def test_a_target_that_is_missed_has_its_reason() -> None:
    missed = {str(row["asks"]) for row in _rows() if row["asks"] and not row["met"]}
    assert missed <= set(LIMITS), "say in benchmarks/limits.py which limit was found"


def test_what_was_measured_is_of_a_family_that_can_be_measured_again() -> None:
    assert {path.stem for path in MEASURED.glob("*.json")} <= {*FAMILIES, GROWTH}
    for family in FAMILIES:
        assert callable(import_module(f"benchmarks.work.{family}").rows)


def test_every_plot_is_there() -> None:
    for name in measured().get(GROWTH, {}).get("plots", {}):
        assert (IMAGES / f"growth-{name}.svg").read_text("utf-8").startswith("<?xml")


def test_a_pair_takes_turns_and_is_judged_by_the_ratio_of_medians(tmp_path: Path) -> None:
    order = tmp_path / "order"

    def side(name: str, seconds: float) -> list[str]:
        return [sys.executable, "-c", f"import time; open({str(order)!r}, 'a').write({name!r}); time.sleep({seconds})"]

    (row,) = Pair("work", "peer", side("A", 0), side("B", 1.5), target=1.0, asks="orders").run(2)
    assert order.read_text() == "ABAB"
    assert (row["asks"], row["met"]) == ("orders", True)
    assert row["ratio"] < 1
    assert row["ratios"] == sorted(row["ratios"])
    (row,) = Pair("work", "peer", side("A", 0), side("B", 1.5), target=1.0, memory=0.1).run(1)
    assert not row["met"], "it takes more memory than it may"


def test_a_failing_side_ends_the_benchmark() -> None:
    with pytest.raises(SystemExit, match="ended with 3"):
        Pair("work", "peer", [sys.executable, "-c", "raise SystemExit(3)"], ["true"], target=1.0).run(1)


def test_a_figure_stands_beside_its_target() -> None:
    figures = iter([3.0, 1.0, 2.0])
    assert Measure("work", "s", lambda: next(figures), 2.0).run(3)[0]["met"]
    wanted = [Wanted("late", "how late", "s", 2.0, "accounts"), Wanted("turns", "turns", "a second", None)]
    late, turns = Trial(lambda: {"late": 2.5, "turns": 50.0}, wanted).run(5)
    assert (late["figure"], late["met"], late["asks"]) == (2.5, False, "accounts")
    assert turns["met"], "nothing is asked of it"


@pytest.mark.parametrize("account", [johnlewis(), laredoute()], ids=lambda account: account.marketplace)
async def test_quiet_far_sides_have_nothing_new_and_take_what_is_sent(account: AccountSettings, tmp_path: Path) -> None:
    """What stands for five thousand marketplaces: the jobs are real, and none of them fails there."""
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.accounts.configure(AccountName(account.name), account.marketplace, "", NOW)
        way, runner = open_quiet(account, {}), Runner(store)
        for job, row in CRONTAB[account.speaks].items():
            assert await runner.turn(Task(account, way, job, row.job)) is not None, job
        await way.aclose()
    assert {ending for (_, _, ending) in runner.totals} == {"idle"}


def test_peers_are_pinned_and_are_no_dependency_of_ours() -> None:
    pins = (ROOT / "benchmarks" / "peers" / "requirements.txt").read_text("utf-8").splitlines()
    names = [pin for pin in pins if not pin.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin) for pin in names)
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert not any(re.search(rf"^{pin.partition('==')[0]}==", lock, re.MULTILINE) for pin in names)
