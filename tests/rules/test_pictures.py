"""The size of a picture by its first bytes, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.rules.pictures import Size, read_size
from tests.pictures import gif, jpeg, png, segment, webp

EXIF = segment(0xE1, b"Exif\x00\x00" + bytes(40_000))


@pytest.mark.parametrize(
    "head",
    [
        png(1200, 800),
        gif(1200, 800),
        gif(1200, 800, b"87a"),
        jpeg(1200, 800),
        jpeg(1200, 800, frame=0xC2),
        jpeg(1200, 800, before=segment(0xE0, b"JFIF") + EXIF + segment(0xC4, bytes(30)) + b"\xff\xff"),
        jpeg(1200, 800, before=b"\xff\x01"),
        webp(1200, 800),
        webp(1200, 800, "VP8L"),
        webp(1200, 800, "VP8X"),
    ],
)
def test_every_format_tells_its_size(head: bytes) -> None:  # C6
    assert read_size(head) == Size(1200, 800)
    assert read_size(head + bytes(100)) == Size(1200, 800)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"", "is no JPEG, PNG, GIF or WebP"),
        (b"<!doctype html>", "is no JPEG"),
        (b"%PDF-1.7", "is no JPEG"),
        (png(0, 800), "no width"),
        (png(1200, 800)[:23], "ends before its size"),
        (png(1200, 800).replace(b"IHDR", b"IDAT"), "broken PNG"),
        (gif(1200, 800)[:9], "ends before"),
        (jpeg(1200, 800)[:8], "ends before"),
        (b"\xff\xd8" + EXIF[:100], "ends before"),
        (b"\xff\xd8\xff\xda\x00\x08", "begins before its size"),
        (b"\xff\xd8\x00\x00\x00\x00", "a marker is missing"),
        (webp(1200, 800).replace(b"\x9d\x01\x2a", b"\x9d\x01\x2b"), "broken WebP"),
        (webp(1200, 800, "VP8X")[:29], "broken WebP"),
    ],
)
def test_what_is_no_picture_says_so(head: bytes, told: str) -> None:  # C6
    with pytest.raises(ValueError, match=told):
        read_size(head)


@given(st.sampled_from([png, gif, jpeg, webp]), st.integers(1, 16_000), st.integers(1, 16_000))
def test_any_size_is_read_as_it_was_written(form: object, width: int, height: int) -> None:  # C6
    assert callable(form)
    assert read_size(form(width, height)) == Size(width, height)


@given(st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff", b"RIFF....WEBPVP8 ", b"GIF89a"]), st.binary(max_size=300))
def test_no_bytes_are_more_than_a_value_error(start: bytes, rest: bytes) -> None:  # C6
    try:
        size = read_size(start + rest)
    except ValueError:
        return
    assert size.width > 0
    assert size.height > 0


def test_a_jpeg_of_empty_segments_takes_no_longer_than_its_length() -> None:  # C6
    # A length of 0 would stand still for ever.
    with pytest.raises(ValueError, match="ends before"):
        read_size(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 50_000)
