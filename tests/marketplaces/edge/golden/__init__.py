"""Files of The Edge byte for byte, all made up."""

from pathlib import Path


def golden(name: str) -> bytes:
    """The bytes of one of them."""
    return (Path(__file__).parent / name).read_bytes()
