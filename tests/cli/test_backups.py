"""`sellerd backup` and `sellerd restore`, with a daemon and without one."""

import stat
from pathlib import Path

from tests.cli.conftest import RunningDaemon, Say, answer
from tests.cli.test_commands import imported


def test_a_backup_is_made_listed_proven_and_put_back(say: Say, tmp_path: Path) -> None:  # S3
    imported(say)
    made = answer(say("backup", "--json"))["backup"]
    assert stat.S_IMODE(Path(made["path"]).stat().st_mode) == 0o600
    assert [row["path"] for row in answer(say("backup", "list", "--json"))["backups"]] == [made["path"]]
    proven = answer(say("backup", "verify", made["path"], "--json"))
    assert (proven["ok"], proven["holds"]["listings"]) == (True, 8)
    assert say("jobs", "pause", "--account", "redoute", "--reason", "after the backup").exit_code == 0

    restored = say("restore", made["path"])

    assert restored.exit_code == 0, restored.output
    assert "2 accounts, 8 listings" in restored.output
    assert "before-restore" in restored.output
    status = answer(say("status", "--json"))
    assert (status["site"]["restored_at"] is None, status["accounts"][1]["pauses"]) == (False, [])


def test_a_running_daemon_makes_the_backup_and_is_never_restored_under(
    say: Say, running: RunningDaemon, tmp_path: Path
) -> None:  # S3
    copy = tmp_path / "safe" / "sellerd.db"
    copy.parent.mkdir()
    result = say("backup", "create", "--output", copy)
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert say("restore", "--verify", copy).exit_code == 0

    refused = say("restore", copy)

    assert (refused.exit_code, "in use by another sellerd" in refused.output) == (75, True)


def test_what_is_no_backup_is_told(say: Say, tmp_path: Path) -> None:  # S3
    imported(say)
    made = Path(answer(say("backup", "--json"))["backup"]["path"])
    made.write_bytes(made.read_bytes() + b"x")
    for words in (["backup", "verify"], ["restore"], ["restore", "--verify"]):
        result = say(*words, made)
        assert (result.exit_code, "it was cut" in result.output) == (1, True)
    assert say("restore", tmp_path / "none.db").exit_code == 2
    assert answer(say("listings", "list", "--account", "redoute", "--json"))["listings"]
