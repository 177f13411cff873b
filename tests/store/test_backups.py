"""Copies of the database: whole, checked, thinned out, rehearsed, and put back."""

import json
import os
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from daemon.errors import StoreError, StoreInUse
from daemon.store import Store, open_store, read_store
from daemon.store.backups import examined, listed, put_back, rehearsed
from daemon.store.database import migrations
from daemon.store.generation import mark_of
from tests.store.conftest import NOON, REDOUTE
from tests.store.test_database import older

MINUTE = timedelta(minutes=1)


async def a_backup(folder: Path, accounts: int = 1) -> Path:
    async with open_store(folder / "sellerd.db") as store:
        for number in range(accounts):
            await store.accounts.configure(REDOUTE + str(number), "laredoute", "", NOON)  # type: ignore[arg-type]
        return (await store.backups.create(folder / "backups", NOON, "1.2.3")).path


async def test_a_backup_is_one_checked_file_with_its_manifest(tmp_path: Path) -> None:
    path = await a_backup(tmp_path)

    assert sorted(file.name for file in path.parent.iterdir()) == [
        "sellerd-20260302T120000Z.db",
        "sellerd-20260302T120000Z.db.json",
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    found = await examined(path)
    assert found.problems == ()
    assert found.backup is not None
    assert (found.backup.made_at, found.backup.size, found.backup.sellerd) == (NOON, path.stat().st_size, "1.2.3")
    assert await rehearsed(path) == {"accounts": 1, "listings": 0, "feeds": 0, "orders": 0}
    assert listed(path.parent) == [found.backup]


async def test_writers_go_on_while_a_backup_is_made_and_it_is_of_one_instant(tmp_path: Path) -> None:
    async with open_store(tmp_path / "sellerd.db") as store:
        made: list[Path] = []

        async def copy() -> None:
            made.append((await store.backups.create(tmp_path / "backups", NOON)).path)

        before = await beats(store)
        async with anyio.create_task_group() as group:
            group.start_soon(copy)
            while not made:
                await store.database.beat()
        after = await beats(store)
    with sqlite3.connect(made[0]) as copied:
        (kept,) = copied.execute("SELECT beats FROM heartbeat").fetchone()
    copied.close()
    assert before <= kept <= after
    assert after > before
    assert (await examined(made[0])).problems == ()


async def test_copies_that_are_asked_for_together_do_not_meet_in_one_file(tmp_path: Path) -> None:
    """What is half made looks like what a crash left, and a name of this second is free until its copy is there."""
    folder = tmp_path / "backups"
    async with open_store(tmp_path / "sellerd.db") as store, anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(store.backups.create, folder, NOON)
            group.start_soon(store.backups.thin_out, folder, 9)
    names = ["sellerd-20260302T120000Z", *(f"sellerd-20260302T120000Z-{number}" for number in (2, 3, 4))]
    assert sorted(it.path.name for it in listed(folder)) == sorted(f"{name}.db" for name in names)
    assert [(await examined(it.path)).problems for it in listed(folder)] == [()] * 4


async def beats(store: Store) -> int:
    return await store.database.read(lambda db: int(db.execute("SELECT beats FROM heartbeat").fetchone()[0]))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-4096]), "it was cut"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "its SHA-256 is another"),
        (lambda path: path.with_name(f"{path.name}.json").unlink(), "is missing"),
        (lambda path: path.with_name(f"{path.name}.json").write_text("{}"), "is no manifest"),
    ],
)
async def test_a_backup_that_is_not_what_was_made_is_refused(tmp_path: Path, harm: object, told: str) -> None:
    path = await a_backup(tmp_path)
    assert callable(harm)
    harm(path)

    assert told in "; ".join((await examined(path)).problems)


async def test_a_backup_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = await a_backup(tmp_path)
    with sqlite3.connect(path) as copied:
        copied.execute("INSERT INTO migrations VALUES (9999, '9999_later.sql', 'x', '')")
    copied.close()

    assert "upgrade sellerd first" in "; ".join((await examined(path)).problems)


async def test_the_newest_are_kept_and_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    async with open_store(tmp_path / "sellerd.db") as store:
        made = [(await store.backups.create(folder, NOON + number * MINUTE)).path for number in range(4)]
        again = (await store.backups.create(folder, NOON)).path
    (folder / ".sellerd-20260302T130000Z.db.part").touch()
    (folder / "sellerd-20260302T130000Z.db.json").write_text("{}")
    (folder / "notes.txt").touch()

    assert sorted(await store.backups.thin_out(folder, 2)) == sorted([made[0], made[1], again])

    assert sorted(file.name for file in folder.iterdir()) == sorted(
        ["notes.txt", *(name for path in made[2:] for name in (path.name, f"{path.name}.json"))]
    )


async def test_a_damaged_database_makes_no_backup_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "sellerd.db"
    good = await a_backup(tmp_path, accounts=200)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 4))
    async with read_store(path) as store:
        with pytest.raises(StoreError, match="damaged|malformed"):
            await store.backups.create(tmp_path / "backups", NOON + MINUTE)

    assert [backup.path for backup in listed(tmp_path / "backups")] == [good]
    assert not list((tmp_path / "backups").glob(".*"))


async def test_a_backup_is_put_back_and_the_old_database_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "sellerd.db"
    backup = await a_backup(tmp_path)
    async with open_store(path) as store:
        await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
        with pytest.raises(StoreInUse):
            await put_back(backup, path, NOON)

    aside = await put_back(backup, path, NOON)

    assert aside == tmp_path / "sellerd.before-restore-20260302T120000Z.db"
    async with open_store(path) as store:
        # Nothing was sent since, and it is doubted all the same: that was asked for.
        assert store.database.restored
        assert (await store.views.sizes())["accounts"] == 1
    with sqlite3.connect(aside) as old:
        assert old.execute("SELECT count(*) FROM accounts").fetchone() == (2,)
    old.close()
    assert json.loads(backup.with_name(f"{backup.name}.json").read_text())["manifest"] == 1


async def test_what_was_kept_before_a_restore_or_a_migration_is_put_back_as_well(tmp_path: Path) -> None:
    path = tmp_path / "sellerd.db"
    aside = await put_back(await a_backup(tmp_path), path, NOON)
    assert aside is not None
    older(tmp_path / "other.db", 20).close()
    async with open_store(tmp_path / "other.db"):
        pass
    (before,) = tmp_path.glob("other.before-*.db")

    for kept, schema in ((aside, len(migrations())), (before, 20)):
        found = await examined(kept)
        assert found.problems == ()
        assert found.backup is not None
        assert (found.backup.schema, found.backup.size) == (schema, kept.stat().st_size)
        assert "accounts" in await rehearsed(kept)
        await put_back(kept, path, NOON + MINUTE)
        async with open_store(path) as store:
            assert store.database.restored


async def test_what_was_damaged_before_a_restore_is_not_taken_for_whole(tmp_path: Path) -> None:
    aside = await put_back(await a_backup(tmp_path), tmp_path / "sellerd.db", NOON)
    assert aside is not None
    aside.with_name(f"{aside.name}-wal").write_bytes(b"a log that could not be folded in")
    assert (await examined(aside)).problems == (
        f"{aside} was damaged, and what its log beside it holds would be missing",
    )
    broken = aside.with_name("sellerd.before-0002.db")
    broken.write_bytes(b"no database" * 100)
    assert (await examined(broken)).problems == (f"{broken} cannot be opened: file is not a database",)


async def test_a_backup_is_put_back_where_no_database_is(tmp_path: Path) -> None:
    backup = await a_backup(tmp_path / "old")

    assert await put_back(backup, tmp_path / "new" / "sellerd.db", NOON) is None

    async with open_store(tmp_path / "new" / "sellerd.db") as store:
        assert store.database.restored


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_what_root_does_leaves_nothing_that_the_daemon_cannot_open(tmp_path: Path) -> None:
    path, nobody = tmp_path / "sellerd.db", 65534
    async with open_store(path):
        pass
    os.chown(path, nobody, nobody)
    mark_of(path).unlink()

    backup = await a_backup(tmp_path)
    await put_back(backup, path, NOON)

    left = [path, mark_of(path), backup.parent, backup, backup.with_name(f"{backup.name}.json")]
    assert {(each.name, each.stat().st_uid) for each in left} == {(each.name, nobody) for each in left}
