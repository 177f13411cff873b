"""How large a picture is, by the first bytes of its file alone: JPEG, PNG, GIF and WebP (consumer rule C6)."""

from collections.abc import Callable
from dataclasses import dataclass

#: so many bytes of a file are enough: what stands before the size of a JPEG, previews included, is seldom longer
ENOUGH = 256 << 10

_JPEG, _PNG, _GIF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", (b"GIF87a", b"GIF89a")
#: markers of a JPEG that begin a frame, and those that stand alone without a length
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_SCAN, _END = 0xDA, 0xD9


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


def read_size(head: bytes) -> Size:
    """The size of the picture whose file begins so; raises ValueError that says what it is instead."""
    if head.startswith(_PNG):
        return _checked(head, 24, _of_png)
    if head.startswith(_GIF):
        return _checked(head, 10, _of_gif)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _checked(head, 25, _of_webp)
    if head.startswith(_JPEG):
        return _checked(head, 4, _of_jpeg)
    raise ValueError("is no JPEG, PNG, GIF or WebP")


def _checked(head: bytes, needed: int, read: Callable[[bytes], Size]) -> Size:
    if len(head) < needed:
        raise ValueError("ends before its size is told")
    size = read(head)
    if not size.width or not size.height:
        raise ValueError("says that it has no width or no height")
    return size


def _of_png(head: bytes) -> Size:
    if head[12:16] != b"IHDR":
        raise ValueError("is a broken PNG: it does not begin with its header")
    return Size(int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))


def _of_gif(head: bytes) -> Size:
    return Size(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))


def _of_webp(head: bytes) -> Size:
    match head[12:16]:
        case b"VP8X" if len(head) >= 30:
            return Size(int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1)
        case b"VP8L" if head[20] == 0x2F:
            bits = int.from_bytes(head[21:25], "little")
            return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 " if len(head) >= 30 and head[23:26] == b"\x9d\x01\x2a":
            width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
            return Size(width, height)
    raise ValueError("is a broken WebP: its first part tells no size")


def _of_jpeg(head: bytes) -> Size:
    at = 2
    while at + 4 <= len(head):
        if head[at] != 0xFF:
            raise ValueError("is a broken JPEG: a marker is missing")
        marker = head[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in (_SCAN, _END):
            raise ValueError("is a broken JPEG: its picture begins before its size is told")
        elif marker in _FRAMES:
            return _of_frame(head[at : at + 9])
        else:
            at += 2 + max(2, int.from_bytes(head[at + 2 : at + 4], "big"))
    raise ValueError("ends before its size is told")


def _of_frame(frame: bytes) -> Size:
    if len(frame) < 9:
        raise ValueError("ends before its size is told")
    return Size(int.from_bytes(frame[7:9], "big"), int.from_bytes(frame[5:7], "big"))
