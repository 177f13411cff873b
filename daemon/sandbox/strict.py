"""XML read as its one documented form: elements in order, attributes exactly, nothing left over, no DTD."""

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Self
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

WORDS = re.compile(r"(?s).*\S.*")
WHOLE = re.compile(r"[0-9]+")
TRUTH = re.compile(r"true|false|1|0")


class Mistake(Exception):
    """What a far side finds wrong with what it was sent; the text names the place."""


class WrongKey(Exception):
    """The key in the body is not the one that was issued."""


def parse(content: bytes) -> Element:
    """Parse UTF-8 XML. Raises Mistake where it is not well formed, in another encoding, or has a document type."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Mistake(f"not UTF-8 at byte {error.start}") from None
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        builder.start(_clark(name), {_clark(key): value for key, value in attributes.items()})

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: builder.end(_clark(name))
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.XmlDeclHandler = _only_utf8
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise Mistake(f"not well-formed XML: {error}") from None
    return builder.close()


def _clark(name: str) -> str:
    return "{" + name if "}" in name else name


def _no_doctype(*_: object) -> None:
    raise Mistake("a document type declaration is not allowed")


def _only_utf8(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() != "utf-8":
        raise Mistake(f"the XML declaration says {encoding}; it must be UTF-8")


class Node:
    """One element that is read front to back.

    `namespace` is the one of its children, "" for unqualified ones. Leaving its `with` block checks that nothing is
    left over; every reading method raises Mistake with the path of the place.
    """

    def __init__(self, element: Element, namespace: str, path: str = "") -> None:
        self._element = element
        self._namespace = namespace
        self._children = list(element)
        self._next = 0
        self.path = path or f"/{_local(element.tag)}"

    def __enter__(self) -> Self:
        if (self._element.text or "").strip() or any((child.tail or "").strip() for child in self._children):
            raise Mistake(f"{self.path}: text between elements")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._next < len(self._children):
            raise Mistake(f"{self.path}: {_local(self._children[self._next].tag)} is not expected here")

    def __getitem__(self, attribute: str) -> str:
        return self._element.attrib[attribute]

    def has_next(self, name: str) -> bool:
        """Say whether the next child is `name`."""
        wanted = f"{{{self._namespace}}}{name}" if self._namespace else name
        return self._next < len(self._children) and self._children[self._next].tag == wanted

    def next(self, name: str, **attributes: str | re.Pattern[str]) -> "Node":
        """Go to the next child, which must be `name` with exactly these attributes (a text, or a pattern)."""
        if not self.has_next(name):
            found = "nothing" if self._next == len(self._children) else self._children[self._next].tag
            raise Mistake(f"{self.path}: {name} expected, {found} found")
        child = self._children[self._next]
        self._next += 1
        return Node(child, self._namespace, f"{self.path}/{name}").with_attributes(**attributes)

    def every(self, name: str, **attributes: str | re.Pattern[str]) -> Iterator["Node"]:
        """Go through the children called `name` that follow, none or many."""
        number = 0
        while self.has_next(name):
            number += 1
            node = self.next(name, **attributes)
            node.path += f"[{number}]"
            yield node

    def value(self, name: str, form: re.Pattern[str] | str = WORDS, **attributes: str | re.Pattern[str]) -> str:
        """Give the text of the next child, which must be `name` and of this form."""
        return self.next(name, **attributes).text(form)

    def text(self, form: re.Pattern[str] | str = WORDS) -> str:
        """Give the text of this element, which has no children."""
        if self._children:
            raise Mistake(f"{self.path}: {_local(self._children[0].tag)} is not expected here")
        text = self._element.text or ""
        if not _fits(text, form):
            raise Mistake(f"{self.path}: {text[:60]!r} is not {_named(form)}")
        return text

    def with_attributes(self, **attributes: str | re.Pattern[str]) -> "Node":
        """Check the attributes of this element: exactly these. Those of XML Schema instances are free."""
        given = {key: value for key, value in self._element.attrib.items() if not key.startswith(_XSI)}
        for key, form in attributes.items():
            if key not in given:
                raise Mistake(f"{self.path}: attribute {key} is missing")
            if not _fits(given[key], form):
                raise Mistake(f"{self.path}/@{key}: {given[key][:60]!r} is not {_named(form)}")
        for key in given.keys() - attributes.keys():
            raise Mistake(f"{self.path}: attribute {key} is not expected")
        return self


def document(content: bytes, namespace: str, name: str, **attributes: str | re.Pattern[str]) -> Node:
    """Parse a document whose root is `name` in `namespace` and whose elements are all qualified by it."""
    root = parse(content)
    if root.tag != f"{{{namespace}}}{name}":
        raise Mistake(f"the root is {root.tag}; {name} in {namespace} is expected")
    return Node(root, namespace).with_attributes(**attributes)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _fits(text: str, form: re.Pattern[str] | str) -> bool:
    return text == form if isinstance(form, str) else form.fullmatch(text) is not None


def _named(form: re.Pattern[str] | str) -> str:
    if form is WORDS:
        return "a text"
    return repr(form) if isinstance(form, str) else f"of the form {form.pattern}"
