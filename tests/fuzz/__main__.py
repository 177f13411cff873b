"""Let atheris look for bytes that a reader cannot bear: `python -m tests.fuzz READER [options of libFuzzer]`.

What it finds worth keeping lies in `.cache/fuzz/READER`, or in the folder that is named, so that a longer run goes on
from there. Without options it runs until it is stopped.
"""

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["daemon.marketplaces", "daemon.seller", "daemon.config"]):
    from tests.fuzz.others import EVERY


def main(name: str, *options: str) -> None:
    """Fuzz one reader."""
    target = EVERY[name]
    own = [option for option in options if not option.startswith("-")]
    corpus = Path(own[0] if own else f".cache/fuzz/{name}")
    corpus.mkdir(parents=True, exist_ok=True)
    for number, whole in enumerate(target.wholes):
        (corpus / f"whole-{number}").write_bytes(whole)

    def one(content: bytes) -> None:
        target.read(content)

    flags = [option for option in options if option.startswith("-")]
    # A reader that takes longer than ten seconds for four KiB hangs.
    atheris.Setup([sys.argv[0], "-max_len=4096", "-timeout=10", *flags, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in EVERY:
        sys.exit(f"say which reader: {', '.join(EVERY)}")
    main(*sys.argv[1:])
