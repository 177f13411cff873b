"""The unit as systemd itself reads it."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent / "systemd" / "sellerd.service"

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    copy = tmp_path / "sellerd.service"
    copy.write_text(UNIT.read_text("utf-8").replace("/usr/bin/sellerd", "/bin/true"), "utf-8")
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:  # D6
    found = analyze("verify", str(unit))

    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_unit_is_exposed_by_at_most_two(unit: Path) -> None:  # D6
    found = analyze("security", "--offline=true", "--threshold=20", str(unit))

    assert found.returncode == 0, found.stdout


def test_the_unit_promises_what_the_daemon_keeps() -> None:  # D6
    lines = UNIT.read_text("utf-8").splitlines()

    for promised in ("Type=notify", "WatchdogSec=60", "StateDirectory=sellerd", "Restart=on-failure", "RestartSec=5"):
        assert promised in lines
    assert any(line.startswith("ExecReload=") and line.endswith(" reload") for line in lines)
    # systemd 252 does not know it
    assert "Type=notify-reload" not in lines


def test_the_clock_can_be_asked_whether_it_is_synchronised() -> None:  # L8
    """The gates need it after a reboot; ProtectClock= and @system-service both forbid it."""
    lines = UNIT.read_text("utf-8").splitlines()

    assert "SystemCallFilter=adjtimex clock_adjtime" in lines
    assert "ProtectClock=yes" not in lines
    assert "CapabilityBoundingSet=" in lines
