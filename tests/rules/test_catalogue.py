"""The catalogue of errors: what fits, in which order, and what is wrong with a file."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.marketplaces.sellr.errors import shipped
from daemon.model import Advice
from daemon.rules.catalogue import Catalogue, Entry, read_catalogue
from daemon.sandbox.items import Item, judge_items
from tests.marketplaces.sellr.made_up import settings

OWN = """
[[error]]
code = "X17"
gloss = "unknown to everybody"
cause = "made up"
fix = "nothing"

[[error]]
code = "X18"
text = "prix"
gloss = "the price"

[[error]]
text = '^PRODUCT NOT FOUND$'
gloss = "mine"
"""


def test_a_code_fits_whole_and_without_case() -> None:  # L17
    catalogue = read_catalogue(OWN)
    assert catalogue.explain(" x17 ", "whatever") == Advice("unknown to everybody", "made up", "nothing")
    assert catalogue.explain("X170", "whatever") is None


def test_code_and_text_must_both_fit_where_both_are_given() -> None:  # L17
    catalogue = read_catalogue(OWN)
    assert catalogue.explain("X18", "PRIX trop bas") == Advice("the price")
    assert catalogue.explain("X18", "stock") is None
    assert catalogue.explain("", "prix") is None


def test_the_first_that_fits_counts_and_the_accounts_own_come_first() -> None:  # L17
    both = Catalogue(read_catalogue(OWN).entries).before(shipped())
    assert both.explain("E001", "PRODUCT NOT FOUND") == Advice("mine")
    assert shipped().explain("E001", "PRODUCT NOT FOUND") != Advice("mine")
    account = settings(report={"catalogue": read_catalogue(OWN)})
    assert account.explain("E001", "PRODUCT NOT FOUND") == Advice("mine")
    assert account.explain("E002", "EAN NOT VALID") == shipped().explain("E002", "EAN NOT VALID")


def test_nothing_said_is_nothing_known() -> None:  # L17
    assert Catalogue((Entry(Advice("anything"), text=re.compile("")),)).explain("", "") is None


def test_the_shipped_ones_go_by_the_text_because_the_codes_are_the_sandboxs() -> None:  # L17
    assert all(not entry.code for entry in shipped().entries)
    assert shipped().explain("E001", "QUELQUE CHOSE") is None


@pytest.mark.parametrize(
    "text",
    [
        "PRODUCT NOT FOUND",
        "EAN NOT VALID",
        "EAN MORE THAN ONCE IN FILE",
        "9 PHOTOS, 1 TO 8 EXPECTED",
        "PHOTO RANKS MUST RUN FROM 1",
        "PHOTO MORE THAN ONCE",
        "OFFER PERIOD ENDS BEFORE IT STARTS",
        "SELLING PRICE MUST BE ABOVE ZERO",
        "BLOCKED PRICE BELOW SELLING PRICE",
        "DELIVERY DAYS RANGE NOT VALID",
        "MARQUE NON AUTORISÉE: B0042",
        "Produit refusé: photo floue",
        "Invalid EUserID 1002",
        "EUserId not valid",
        "Invalid ESystem 401",
        "Invalid FlowName MKP",
        "Invalid Attachment: none came",
        "Invalid number of elements: 2 said, 1 found",
    ],
)
def test_everything_that_the_sandbox_says_is_explained(text: str) -> None:  # L17
    advice = shipped().explain("", text)
    assert advice is not None
    assert advice.gloss
    assert advice.cause
    assert advice.fix


def test_the_sandboxs_own_words_are_among_them() -> None:  # L17
    item = Item("3701234567891", "S1", "P", "T", "D", "B1", (), ())
    (verdict,) = judge_items([item])
    assert shipped().explain(verdict.code, verdict.text) is not None


def test_every_problem_of_a_file_is_told_at_once() -> None:  # D3
    with pytest.raises(ValueError, match="entry") as caught:
        read_catalogue("other = 1\n[[error]]\ncode = ''\n[[error]]\ntext = '['\nfix = 'x'\n")
    told = str(caught.value)
    assert "other is not known here" in told
    assert "entry 1: code must be a text" in told
    assert "entry 1: none of gloss" in told
    assert "entry 2: text is no regular expression" in told


@given(st.text(max_size=200))
def test_a_file_is_read_or_refused_with_a_sentence(content: str) -> None:  # D3
    with suppress(ValueError):
        read_catalogue(content)


@given(st.text(), st.text())
def test_whatever_is_said_can_be_asked_after(code: str, text: str) -> None:  # L17
    shipped().explain(code, text)
