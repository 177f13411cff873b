"""What `make check` says of the pinned dependencies."""

import runpy
from pathlib import Path
from typing import Any

SCRIPT: dict[str, Any] = runpy.run_path(str(Path(__file__).parent.parent / "scripts" / "audit.py"))


def test_a_known_vulnerability_is_told_with_what_mends_it_and_who_was_not_asked_about_is_counted() -> None:
    found = [
        {"name": "made-up", "version": "1.0", "vulns": [{"id": "ADV-1", "fix_versions": ["1.1", "2.0"]}]},
        {"name": "other", "version": "3.0", "vulns": [{"id": "ADV-2", "fix_versions": []}]},
        {"name": "clean", "version": "1.0", "vulns": []},
        {"name": "unknown", "skip_reason": "not found"},
    ]
    assert SCRIPT["told"](found) == (
        ["made-up 1.0: ADV-1, fixed in 1.1, 2.0", "other 3.0: ADV-2, fixed in no version yet"],
        ["unknown"],
    )
