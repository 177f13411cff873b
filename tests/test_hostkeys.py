"""The host keys that a person has trusted."""

import os
import stat
from pathlib import Path

import pytest

from daemon.hostkeys import pin, pinned

KEY, OTHER = "ssh-ed25519 AAAAC3NzaC1", "ssh-rsa AAAAB3NzaC1"


def test_a_key_is_pinned_for_its_server_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "known_hosts"
    pin(path, "Files.example.test", 22, f"{KEY} a comment")
    pin(path, "files.example.test", 2222, OTHER)
    pin(path, "files.example.test", 22, OTHER)
    pin(path, "files.example.test", 22, OTHER)
    assert pinned(path, "files.example.test", 22) == (KEY, OTHER)
    assert pinned(path, "files.example.test", 2222) == (OTHER,)
    assert pinned(path, "other.example.test", 22) == ()
    assert path.read_text().splitlines() == [
        f"files.example.test {KEY}",
        f"[files.example.test]:2222 {OTHER}",
        f"files.example.test {OTHER}",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["known_hosts"]


def test_lines_of_other_programs_are_kept_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"# mine\n@revoked a.example.test {KEY}\n|1|x|y {KEY}\n\na.example.test,b.example.test {KEY} me")
    pin(path, "c.example.test", 22, OTHER)
    assert pinned(path, "a.example.test", 22) == pinned(path, "b.example.test", 22) == (KEY,)
    assert pinned(path, "c.example.test", 22) == (OTHER,)
    assert path.read_text().startswith("# mine\n@revoked")


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "# comment here"])
def test_what_is_no_key_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match="not an SSH key"):
        pin(tmp_path / "known_hosts", "a.example.test", 22, line)
    assert not (tmp_path / "known_hosts").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_that_root_trusts_is_readable_to_the_daemon(tmp_path: Path) -> None:  # D6
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12346)

    pin(folder / "known_hosts", "sftp.example.test", 22, "ssh-ed25519 AAAAC3Nz")

    found = (folder / "known_hosts").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12346, 0o600)
