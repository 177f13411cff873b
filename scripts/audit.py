#!/usr/bin/env python3
"""Ask the advisories about every pinned dependency: `scripts/audit.py [--strict]`.

A known vulnerability fails. What the advisories could not be asked about is told, and fails with `--strict`, so that a
check on a machine without the network still says what it can and no more.
"""

import argparse
import json
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".cache" / "audit"
TOOL = "pip-audit==2.10.1"


def main() -> int:
    """0 where nothing is known, 1 where something is, or with `--strict` where somebody could not be asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail also where the advisories could not be asked")
    strict = parser.parse_args().strict
    try:
        found = _asked()
    except OSError as unreachable:
        print(f"audit: the advisories were not asked: {unreachable}", file=sys.stderr)
        return int(strict)
    known, unasked = told(found)
    for line in known:
        print(f"audit: {line}", file=sys.stderr)
    print(
        f"audit: {len(found) - len(unasked)} of {len(found)} packages asked about, {len(known)} known vulnerabilities"
    )
    if len(unasked) == len(found):
        print("audit: the advisories answer here for none of them", file=sys.stderr)
    elif unasked:
        print(f"audit: could not ask about {', '.join(unasked)}", file=sys.stderr)
    return int(bool(known) or (strict and bool(unasked)))


def told(found: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """A sentence for each known vulnerability, and the packages that could not be asked about."""
    known = [
        f"{it['name']} {it['version']}: {hole['id']}, fixed in {', '.join(hole['fix_versions']) or 'no version yet'}"
        for it in found
        for hole in it.get("vulns", ())
    ]
    return known, [it["name"] for it in found if "skip_reason" in it]


def _asked() -> list[dict[str, Any]]:
    """What is known of every package of the lock file; OSError where the tool or its source cannot be reached."""
    tool = _installed()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        ended = subprocess.run(
            [
                *(str(tool), "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--timeout", "10"),
                *("-r", str(ROOT / "requirements.lock"), "--format", "json", "--output", str(report)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise OSError((ended.stderr.strip().splitlines() or ["it said nothing"])[-1])
        return list(json.loads(report.read_text("utf-8"))["dependencies"])


def _installed() -> Path:
    tool = HOME / "bin" / "pip-audit"
    if not tool.exists():
        venv.create(HOME, with_pip=True)
        ended = subprocess.run(
            [str(HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", TOOL],
            check=False,
        )
        if ended.returncode:
            raise OSError(f"{TOOL} cannot be installed")
    return tool


if __name__ == "__main__":
    sys.exit(main())
