"""The first bytes of pictures of a given size, as each format has them."""


def png(width: int, height: int) -> bytes:
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + head + b"\x00\x00\x00\x00"


def gif(width: int, height: int, version: bytes = b"89a") -> bytes:
    return b"GIF" + version + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\xf0\x00\x00"


def jpeg(width: int, height: int, *, frame: int = 0xC0, before: bytes = b"") -> bytes:
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8" + before + bytes((0xFF, frame)) + b"\x00\x11\x08" + size + b"\x03\x01\x22\x00"


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def _riff(form: bytes, content: bytes) -> bytes:
    chunk = form + len(content).to_bytes(4, "little") + content
    return b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"WEBP" + chunk


def webp(width: int, height: int, form: str = "VP8 ") -> bytes:
    match form:
        case "VP8X":
            canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
            return _riff(b"VP8X", b"\x10\x00\x00\x00" + canvas)
        case "VP8L":
            return _riff(b"VP8L", b"\x2f" + (width - 1 | height - 1 << 14).to_bytes(4, "little"))
        case _:
            frame = b"\x30\x01\x00\x9d\x01\x2a"
            return _riff(b"VP8 ", frame + width.to_bytes(2, "little") + (height | 1 << 14).to_bytes(2, "little"))
