"""A short search by atheris, the same each time, in every reader; `make fuzz` searches longer."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.others import EVERY
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("reader", EVERY)
def test_a_search_finds_nothing(reader: str, tmp_path: Path) -> None:  # J5 J4 J12 J13
    pytest.importorskip("atheris", reason="atheris is not there for this Python")
    # Readers that use libraries and files are slower.
    runs = 10_000 if reader in TARGETS else 1_000
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz",
            reader,
            str(tmp_path),
            f"-runs={runs}",
            "-seed=1",
            f"-artifact_prefix={tmp_path}/",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-2_000:] + found.stderr[-4_000:]
    assert f"Done {runs} runs" in found.stderr
