"""Advice beside what was said, and how much of it is known."""

from datetime import UTC, datetime
from typing import Any

from daemon.model import AccountName, Advice
from daemon.seller.advice import advise_feed, advise_listing, count_known, explained_by, in_words
from daemon.store.codes import AnswerCode
from tests.seller.conftest import redoute

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EXPLAIN = explained_by({AccountName("redoute"): redoute()})


def code(code: str, text: str, count: int, account: str = "redoute") -> AnswerCode:
    return AnswerCode(AccountName(account), code, text, count, NOON, NOON)


def listing(error: str, rejection: dict[str, str] | None) -> dict[str, Any]:
    return {"account": "redoute", "parts": {"item": {"error": error}}, "rejection": rejection}


def test_answers_are_counted_by_known_and_unknown() -> None:  # L17
    codes = [code("E001", "PRODUCT NOT FOUND", 3), code("E1", "EAN NOT VALID", 2), code("X17", "?", 1), code("", "", 4)]
    assert count_known(codes, EXPLAIN) == {("redoute", "known"): 5, ("redoute", "unknown"): 5}
    assert count_known([code("E001", "PRODUCT NOT FOUND", 1, "gone")], EXPLAIN) == {("gone", "unknown"): 1}


def test_a_part_has_the_code_of_its_last_rejection_only_when_it_says_the_same() -> None:  # L17
    def by_code(account: str, code: str, text: str) -> Advice | None:
        return Advice(gloss=f"{code}/{text}")

    told = {"code": "X17", "text": "NON"}
    glosses = [
        advise_listing(listing(error, rejection), by_code)["parts"]["item"]["advice"]["gloss"]
        for error, rejection in (("NON", told), ("X17", {"code": "X17", "text": ""}), ("OTHER", told), ("NON", None))
    ]
    assert glosses == ["X17/NON", "X17/", "/OTHER", "/NON"]


def test_a_feed_that_was_turned_down_is_explained() -> None:  # L16 L17
    feed = advise_feed({"account": "redoute", "error": "Invalid EUserID 1002"}, EXPLAIN)
    assert feed["advice"]["gloss"] == "the seller's number is not valid"


def test_advice_on_one_line_leaves_out_what_is_not_known() -> None:  # L17
    assert in_words({"gloss": "a", "cause": "b", "fix": "c"}) == "a; cause: b; fix: c"
    assert in_words({"gloss": "", "cause": "", "fix": "c"}) == "fix: c"
    assert in_words(None) == ""
