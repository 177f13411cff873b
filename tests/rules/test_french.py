"""Texts that look French, texts that do not, and those of which nothing can be said."""

import pytest

from daemon.rules.french import FEWEST_WORDS, doubt

FRENCH = (
    "Cette lampe à poser en chêne massif éclaire votre salon avec une lumière douce et chaude pour toute la famille."
)
ENGLISH = "This solid oak table lamp is made by hand and lights your living room with a warm and gentle glow."


def test_french_is_not_doubted() -> None:  # L5
    assert doubt(FRENCH) == ""


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "English"),
        (
            "Diese Lampe aus massiver Eiche ist von Hand gemacht und passt mit dem Holz sehr gut zu einem Tisch",
            "German",
        ),
        (
            "Esta lámpara de roble es muy bonita y su luz es suave, para que los niños lean por la noche con ella",
            "Spanish",
        ),
        ("Questa lampada è fatta a mano e con la sua luce non si vede il buio nella sala, per gli amici", "Italian"),
        ("Deze lamp is van hout en met de hand gemaakt, het licht is zacht en past bij een tafel in uw huis", "Dutch"),
    ],
)
def test_another_language_is_named(text: str, language: str) -> None:  # L5
    assert doubt(text) == f"it looks {language}"


def test_a_short_text_says_nothing() -> None:  # L5
    words = ENGLISH.split()
    assert doubt(" ".join(words[: FEWEST_WORDS - 1])) == ""
    assert doubt(" ".join(words[:FEWEST_WORDS])) == "it looks English"
    assert doubt("") == ""


def test_a_list_of_keywords_says_nothing_and_a_long_one_is_doubted() -> None:  # L5
    keywords = "Robe longue coton bleu marine manches courtes col rond taille haute"
    assert doubt(f"{keywords} doublure légère") == ""
    assert doubt(" ".join([keywords] * 3)) == "it has hardly any of the small words of French"


def test_a_foreign_name_in_a_french_text_is_no_doubt() -> None:  # L5
    assert doubt(f"{FRENCH} Modèle « The Queen of the Night ».") == ""
