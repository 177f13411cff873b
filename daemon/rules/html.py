"""The HTML of a description: an allow-list of tags without attributes, well formed, nothing that leads away (L5, C7).

A tokeniser of our own reads it, because the libraries repair what is wrong in silence, and a seller must be told. What
has no fault is well formed XML once its entities are resolved and `canonical` has closed its line breaks.
"""

import re
from collections.abc import Iterator
from html.entities import html5

#: the tags that are taken; which ones La Redoute shows is not public (C7), and these are plain text with structure
TAGS = ("p", "br", "b", "strong", "i", "em", "u", "ul", "ol", "li", "h2", "h3", "h4", "span")

_BLOCKS = frozenset({"p", "ul", "ol", "li", "h2", "h3", "h4"})
_LISTS = frozenset({"ul", "ol"})
#: these hold words and no blocks: a browser ends them where a block begins
_OF_WORDS = frozenset({"p", "h2", "h3", "h4", "b", "strong", "i", "em", "u", "span"})
_ALLOWED = ", ".join(TAGS)

# The length is bounded, so that no text makes the search slow.
_TOKEN = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<rest>[^<>]{0,2000})>|<")
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z][A-Za-z0-9]{0,30}));|&")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ADDRESS = re.compile(r"https?://|\bwww\.", re.IGNORECASE)
_EVENT = re.compile(r"\bon[a-z]+\s*=", re.IGNORECASE)
_SPACE = re.compile(r"\s+")

Problem = tuple[str, str]  # what is wrong, and how to mend it


def problems(html: str) -> list[Problem]:
    """Everything that is wrong with a description and how to mend it, each thing once; never raises."""
    found = [*_of_tags(html), *_of_text(html)]
    return list(dict.fromkeys(found))


def canonical(html: str) -> str:
    """The same description with its tags as XML wants them: lower case, no spaces, `<br/>` closed.

    What is no such tag stays as it is.
    """
    return _TOKEN.sub(_canonical_tag, html)


def plain(html: str) -> str:
    """The words of a description: without markup, entities resolved, white space as single spaces."""
    words = _TOKEN.sub(lambda tag: " " if (tag["name"] or "").lower() in _BLOCKS | {"br"} else "", html)
    return _SPACE.sub(" ", _ENTITY.sub(_character, words)).strip()


def _canonical_tag(tag: re.Match[str]) -> str:
    name = (tag["name"] or "").lower()
    if name not in TAGS or tag["rest"].strip() not in {"", "/"}:
        return tag[0]
    return "<br/>" if name == "br" else f"<{tag['end']}{name}>"


def _of_tags(html: str) -> Iterator[Problem]:
    open_tags: list[str] = []
    last = 0
    for tag in _TOKEN.finditer(html):
        yield from _between(open_tags, html[last : tag.start()])
        last = tag.end()
        name = (tag["name"] or "").lower()
        if not name:
            yield _no_tag(html, tag.start())
        elif name not in TAGS:
            yield _not_taken(name)
        else:
            yield from _of_rest(name, tag["rest"])
            yield from _closed(open_tags, name) if tag["end"] else _opened(open_tags, name, tag["rest"])
    yield from _between(open_tags, html[last:])
    for name in open_tags:
        yield f"<{name}> is never closed", f"close it with </{name}>"


def _between(open_tags: list[str], text: str) -> Iterator[Problem]:
    if open_tags and open_tags[-1] in _LISTS and text.strip():
        yield "text stands between the items of a list", "put it into <li>…</li>, or outside of the list"


def _no_tag(html: str, place: int) -> Problem:
    if html.startswith("<!--", place):
        return "a comment is in the HTML", "take it out"
    if html.startswith(("<!", "<?"), place):
        return "a declaration or processing instruction is in the HTML", "take it out"
    return "a < begins no tag", "write &lt; for the sign itself"


def _not_taken(name: str) -> Problem:
    if name in {"script", "style"}:
        return f"<{name}> is not taken: a description holds no scripts and no styles", "take it out with its content"
    if name == "a":
        return "<a> is not taken: a description holds no links", "write the words alone"
    return f"<{name}> is not taken", f"use only {_ALLOWED}"


def _of_rest(name: str, rest: str) -> Iterator[Problem]:
    attributes = rest.strip().removesuffix("/").strip()
    if _EVENT.search(attributes):
        yield f"<{name}> has an attribute that runs a script", "write the tag without attributes"
    elif attributes:
        yield f"<{name}> has an attribute", "write the tag without attributes"
    if rest.endswith("/") and name != "br":
        yield f"<{name}/> is empty", "take it out: only <br/> has no content"


def _opened(open_tags: list[str], name: str, rest: str) -> Iterator[Problem]:
    inside = open_tags[-1] if open_tags else ""
    if name == "li" and inside not in _LISTS:
        yield "<li> stands outside of a list", "put it straight into <ul> or <ol>"
    elif name != "li" and inside in _LISTS:
        yield f"<{name}> stands straight in a list", "put it into <li>…</li>"
    elif name in _BLOCKS and inside in _OF_WORDS:
        yield f"<{name}> stands inside <{inside}>", f"close <{inside}> before it"
    if name != "br" and not rest.endswith("/"):
        open_tags.append(name)


def _closed(open_tags: list[str], name: str) -> Iterator[Problem]:
    if name == "br":
        yield "</br> is no tag", "write <br/>"
    elif name not in open_tags:
        yield f"</{name}> closes nothing", "take it out, or open it before"
    else:
        if open_tags[-1] != name:
            inner = open_tags[-1]
            yield f"</{name}> comes before </{inner}>", "close the tags in the reverse order of their opening"
        del open_tags[len(open_tags) - 1 - open_tags[::-1].index(name) :]


def _of_text(html: str) -> Iterator[Problem]:
    if _FORBIDDEN.search(html):
        yield "a control character is in the text", "take it out: it came along when the text was copied"
    if "]]>" in html:
        yield "]]> is in the text, which ends a section of XML", "write ]]&gt;"
    if _ADDRESS.search(html):
        yield "a web address is in the text", "take it out: nothing may lead away from the marketplace"
    for entity in _ENTITY.finditer(html):
        if entity[0] == "&":
            yield "a & begins no entity", "write &amp; for the sign itself"
        elif not _character(entity):
            yield f"{entity[0]} is no character", "write the character itself"


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for; empty where it is none."""
    decimal, hexadecimal, name = entity.groups()
    if name:
        return html5.get(f"{name};", "")
    if not decimal and not hexadecimal:
        return entity[0]
    point = int(decimal) if decimal else int(hexadecimal, 16)
    text = chr(point) if point < 0x110000 else ""
    return "" if _FORBIDDEN.search(text) else text
