"""Whether a text looks French, by its small words alone (L5). A heuristic: what it finds is a warning, never an error.

The words of a text are counted against the commonest small words of French and of the languages that sellers copy
texts from. Another language with more hits than French is named. A long text with hardly any French small word is told
as well; short texts, and lists of keywords below that length, say nothing either way.
"""

import re

#: below this, nothing can be said
FEWEST_WORDS = 12
#: from here on, French that has none of its small words is doubtful
_LONG = 30
_FEWEST_HITS = 0.05

_WORD = re.compile(r"[^\W\d_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split(" "))


_FRENCH = _words(
    "le la les l un une des du de d et à au aux en dans sur sous pour par avec sans ce cet cette ces son sa ses leur"
    " leurs votre vos notre nos est sont qui que qu ou où plus très se s il elle ne pas n comme chez entre jusqu ainsi"
    " tout toute tous toutes grâce afin"
)
_OTHERS = {
    "English": _words(
        "the a an and of to in is are with for from this that these those your our its it by on at be or as which will"
        " has have not you more very"
    ),
    "German": _words(
        "der die das ein eine einen einem einer und mit für von aus auf ist sind zu zum zur im den dem nicht auch sich"
        " oder wie durch bei nach sehr"
    ),
    "Spanish": _words(
        "el la los las un una unos unas y de del al en con para por sin es son que su sus este esta estos estas muy más"
        " como o lo se"
    ),
    "Italian": _words(
        "il lo la i gli le un uno una e di del della dei delle al alla con per da in su è sono che questo questa molto"
        " più come non si nel nella"
    ),
    "Dutch": _words(
        "de het een en van in met voor op is zijn te dat die deze dit aan uit bij ook niet door naar of wordt zeer uw"
        " onze"
    ),
}


def doubt(text: str) -> str:
    """Why a text does not look French, as the end of a sentence; empty where it does, or is too short to tell."""
    words = [word.casefold() for word in _WORD.findall(text)]
    if len(words) < FEWEST_WORDS:
        return ""
    hits = sum(word in _FRENCH for word in words)
    name, most = max(((name, sum(word in small for word in words)) for name, small in _OTHERS.items()), key=_second)
    if most > hits:
        return f"it looks {name}"
    if len(words) >= _LONG and hits < _FEWEST_HITS * len(words):
        return "it has hardly any of the small words of French"
    return ""


def _second(pair: tuple[str, int]) -> int:
    return pair[1]
