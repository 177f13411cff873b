"""`sellerd guard`, against a daemon's socket."""

import os

import pytest
from anyio.from_thread import BlockingPortal

from daemon.web.serve import user_name
from tests.cli.conftest import RunningDaemon, Say, answer
from tests.store.test_guard import Scene, skus


@pytest.fixture
def scene(running: RunningDaemon, portal: BlockingPortal) -> Scene:
    scene = Scene(running.store)
    portal.call(scene.start)
    portal.call(scene.price, skus(0, 1), 10)
    portal.call(scene.go)
    return scene


def test_a_case_is_shown_and_decided(say: Say, scene: Scene, portal: BlockingPortal) -> None:
    (case,) = answer(say("guard", "--json"))["cases"]
    assert "prices that fall too far" in say("guard", "list").output
    shown = say("guard", "show", case["id"]).output
    assert "S00\tprice\t100.00\t10.00\theld" in shown
    assert f"2 of 2 wait: sellerd guard approve {case['id']}" in shown
    listed = say("listings", "list", "--account", "redoute").output
    assert "pending (held)" in listed

    assert say("guard", "approve", case["id"], "--sku", "S00", "--reason", "a sale").output == "1 part is approved.\n"
    assert say("guard", "reject", case["id"]).output == "1 part is rejected.\n"
    again = say("guard", "approve", case["id"])
    assert (again.exit_code, "holds nothing any more" in again.output) == (1, True)
    assert answer(say("guard", "list", "--json"))["cases"] == []
    assert f"approved by {user_name(os.getuid())}: a sale" in say("guard", "show", case["id"]).output
    assert portal.call(scene.go).keys() == {"S00"}
    assert say("guard", "show", 4711).exit_code == 1


def test_explain_says_that_the_guard_holds_it(say: Say, scene: Scene) -> None:
    told = say("listings", "explain", "--account", "redoute", "S00").output
    assert "the guard holds its price back" in told
