"""The HTML of a description: what is taken, what is not, and that what is taken is well formed XML."""

import re
from html import unescape
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.rules.html import TAGS, canonical, plain, problems


def told(html: str) -> list[str]:
    return [problem for problem, _ in problems(html)]


@pytest.mark.parametrize(
    "html",
    [
        "",
        "Une lampe.",
        "<p>Une <b>lampe</b><br>en chêne</p>",
        "<p>Une lampe<br/>en chêne<br />massif</p>",
        "<h2>Détails</h2><ul><li>Hauteur : 42 cm</li>\n<li><strong>Chêne</strong><ul><li>massif</li></ul></li></ul>",
        "<ol><li><p>Un</p></li></ol>",
        "<P>Majuscules</P>",
        "<p >Espaces</p >",
        "<p>Un <span>deux</span> &eacute; &#233; &#xE9; &amp; &lt; &euro; &nbsp; 1 > 0</p>",
    ],
)
def test_the_allow_list_is_taken(html: str) -> None:  # L5 C7
    assert problems(html) == []


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("<script>alert(1)</script>", "<script> is not taken: a description holds no scripts and no styles"),
        ("<style>p{}</style>", "<style> is not taken: a description holds no scripts and no styles"),
        ('<a href="https://x.example.test">ici</a>', "<a> is not taken: a description holds no links"),
        ("<img src='x.jpg'/>", "<img> is not taken"),
        ("<table></table>", "<table> is not taken"),
        ("<h1>Titre</h1>", "<h1> is not taken"),
        ('<p onclick="x()">a</p>', "<p> has an attribute that runs a script"),
        ("<p ONCLICK =x>a</p>", "<p> has an attribute that runs a script"),
        ('<p style="color:red">a</p>', "<p> has an attribute"),
        ("<span class=x>a</span>", "<span> has an attribute"),
        ("<p>a", "<p> is never closed"),
        ("a</p>", "</p> closes nothing"),
        ("<p><b>a</p></b>", "</p> comes before </b>"),
        ("<p/>", "<p/> is empty"),
        ("a</br>b", "</br> is no tag"),
        ("<li>a</li>", "<li> stands outside of a list"),
        ("<ul>a<li>b</li></ul>", "text stands between the items of a list"),
        ("<ul><li>b</li>c</ul>", "text stands between the items of a list"),
        ("<ul><b>a</b></ul>", "<b> stands straight in a list"),
        ("<p><ul><li>a</li></ul></p>", "<ul> stands inside <p>"),
        ("<p><p>a</p></p>", "<p> stands inside <p>"),
        ("<h3><p>a</p></h3>", "<p> stands inside <h3>"),
        ("a < b", "a < begins no tag"),
        ("<p", "a < begins no tag"),
        ("<!-- x -->", "a comment is in the HTML"),
        ("<!DOCTYPE html>", "a declaration or processing instruction is in the HTML"),
        ("<?php ?>", "a declaration or processing instruction is in the HTML"),
        ("<![CDATA[x]]>", "a declaration or processing instruction is in the HTML"),
        ("coton & lin", "a & begins no entity"),
        ("&nosuch;", "&nosuch; is no character"),
        ("&#0;", "&#0; is no character"),
        ("&#xD800;", "&#xD800; is no character"),
        ("&#9999999;", "&#9999999; is no character"),
        ("a\x07b", "a control character is in the text"),
        ("a ]]> b", "]]> is in the text, which ends a section of XML"),
        ("voir https://x.example.test", "a web address is in the text"),
        ("voir www.example.test", "a web address is in the text"),
    ],
)
def test_what_is_not_taken_is_told_with_a_fix(html: str, problem: str) -> None:  # L5 C7
    assert problem in told(html)
    assert all(fix for _, fix in problems(html))


def test_everything_is_told_at_once_and_each_thing_once() -> None:  # L5
    html = "<font>a</font><font>b</font> & <p onload=x>c"
    assert told(html) == [
        "<font> is not taken",
        "<p> has an attribute that runs a script",
        "<p> is never closed",
        "a & begins no entity",
    ]


def test_tags_are_written_as_xml_wants_them() -> None:  # L5
    assert canonical("<P>a<BR>b<br />c</P ><font>d</font> < 3") == "<p>a<br/>b<br/>c</p><font>d</font> < 3"


def test_the_words_alone() -> None:
    assert plain("<p>Une&nbsp;<b>lam</b>pe</p><ul><li>en ch&ecirc;ne</li></ul>") == "Une lampe en chêne"


def test_a_long_text_is_read_in_time_that_grows_with_it() -> None:
    # Each of these once made such searches try every length from every place.
    for piece in ("<a", '<p "', "&a", "<p x=", "&#1"):
        assert problems(piece * 40_000)


PIECES = st.sampled_from(
    [f"<{tag}>" for tag in TAGS]
    + [f"</{tag}>" for tag in TAGS]
    + ["<br/>", "<P>", "</P>", "<p >", "<li/>", "&eacute;", "&amp;", "&", "&#233;", "&#0;", "<", ">", "]]>", " ", "été"]
    + [
        "<script>",
        "<!--",
        "-->",
        "<![CDATA[",
        "<?x?>",
        " x='1'",
        "\x00",
        "\x0b",
        "\ud800",
        "&lt;p&gt;",
        "<br x>",
        "</br>",
    ]
)


def as_xml(html: str) -> str:
    """The HTML with its entities resolved and its texts written as XML has them."""
    parts = re.split(r"(</?[a-z0-9]+/?>)", html)
    return "".join(part if number % 2 else escape(unescape(part)) for number, part in enumerate(parts))


@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)))
@example("<p>a<br>b</p>")
@example("<ul><li>&eacute;</li></ul>")
def test_it_never_raises_and_what_it_takes_is_well_formed(html: str) -> None:  # L5 C7
    found = problems(html)
    closed, words = canonical(html), plain(html)
    if not found:
        root = ET.fromstring(f"<x>{as_xml(closed)}</x>")
        assert {element.tag for element in root.iter()} <= {"x", *TAGS}
        assert all(not element.attrib for element in root.iter())
        assert " ".join("".join(root.itertext()).split()).replace(" ", "") == words.replace(" ", "")


NESTED = st.recursive(
    st.sampled_from(["un", "&eacute;t&eacute;", "deux<br>trois", "<b>quatre</b>"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(
            lambda each: f"<ul>{''.join(f'<li>{one}</li>' for one in each)}</ul>"
        ),
        st.lists(inner, min_size=1, max_size=3).map("".join),
    ),
    max_leaves=10,
)


@given(NESTED)
def test_what_is_made_of_allowed_pieces_is_taken(html: str) -> None:  # L5
    assert problems(html) == []
    ET.fromstring(f"<x>{as_xml(canonical(html))}</x>")
