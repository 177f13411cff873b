"""XML from outside, read by local names with the standard library's expat: no DTD, no deep nesting, no surprise.

Expat runs without name-space processing: the sources of Sell-R disagree about prefixes and name spaces (Sell-R A6), so
a name is what stands after its last colon.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from daemon.errors import Unreadable

_DEEPEST = 64


@dataclass(slots=True)
class Node:
    """One element: its local name, attributes by local name, the text directly in it, and its children."""

    name: str
    attributes: dict[str, str]
    line: int = 0
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    def child(self, name: str) -> "Node | None":
        """The first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def every(self) -> Iterator["Node"]:
        """This element and all below it, in document order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def find(self, name: str) -> "Node | None":
        """The first element of that name here or below."""
        return next((node for node in self.every() if node.name == name), None)

    def outermost(self, name: str) -> Iterator["Node"]:
        """Every element of that name here or below that does not stand inside another of that name."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.name == name:
                yield node
            else:
                waiting.extend(reversed(node.children))


class ElementReader:
    """Feeds bytes to expat and calls `opened` and `closed`, which a subclass gives a meaning.

    `feed` and `close` raise Unreadable with the line, and no other exception, whatever the bytes are.
    """

    def __init__(self) -> None:
        self.depth = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_dtd
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self.characters

    @property
    def line(self) -> int:
        """The line that is being read, counted from 1."""
        return self._parser.CurrentLineNumber

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        raise NotImplementedError

    def closed(self, name: str) -> None:
        """An element ends."""
        raise NotImplementedError

    def characters(self, text: str) -> None:
        """Text stands in the element that was opened last and not closed yet."""
        raise NotImplementedError

    def feed(self, chunk: bytes) -> None:
        """Read on."""
        self._parse(chunk, final=False)

    def close(self) -> None:
        """Nothing more comes."""
        self._parse(b"", final=True)

    def _parse(self, chunk: bytes, *, final: bool) -> None:
        try:
            self._parser.Parse(chunk, final)
        except expat.ExpatError as error:
            raise Unreadable(f"line {error.lineno}: not well-formed XML ({expat.ErrorString(error.code)})") from None
        except (LookupError, ValueError) as error:
            # expat asks Python about an encoding that it does not know; Python may not know it either.
            raise Unreadable(f"line {self.line}: not readable as XML ({error})") from None

    def _refuse_dtd(self, name: str, system: str | None, public: str | None, internal: bool) -> NoReturn:  # noqa: ARG002
        raise Unreadable(f"line {self.line}: a document type declaration is not accepted")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unreadable(f"line {self.line}: elements stand more than {_DEEPEST} deep")
        if attributes:
            attributes = {_local(key): value for key, value in attributes.items() if key[:5] != "xmlns"}
        self.opened(_local(name), attributes)

    def _end(self, name: str) -> None:
        self.closed(_local(name))
        self.depth -= 1


def _local(name: str) -> str:
    return name.rpartition(":")[2] if ":" in name else name


class _Tree(ElementReader):
    """Keeps everything, below a node that stands for the document."""

    def __init__(self) -> None:
        super().__init__()
        self.document = Node("", {})
        self._open = [self.document]
        self._texts: list[list[str]] = []

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        node = Node(name, attributes, self.line)
        self._open[-1].children.append(node)
        self._open.append(node)
        self._texts.append([])

    def closed(self, name: str) -> None:  # noqa: ARG002
        self._open.pop().text = "".join(self._texts.pop()).strip()

    def characters(self, text: str) -> None:
        self._texts[-1].append(text)


def read(content: bytes) -> Node:
    """The root of the whole document; raises Unreadable with line and reason."""
    tree = _Tree()
    tree.feed(content)
    tree.close()
    return tree.document.children[0]
