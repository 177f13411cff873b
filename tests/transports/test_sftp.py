"""Files fetched and put by SFTP, shown alike against OpenSSH and against asyncssh's own server."""

import io
import os
import signal
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import asyncssh
import pytest

from daemon.errors import AccessDenied, MarketplaceError, Refused, Unconfirmed, Unreachable, Unreadable
from daemon.model import RemoteFile
from daemon.transports.body import Body
from daemon.transports.sftp import (
    FileGone,
    Put,
    Sftp,
    SftpLogin,
    SftpTimeouts,
    fingerprint,
    offered_host_keys,
    parse_private_key,
)
from tests.cable import cable_to, raw_server
from tests.openssh import OpenSsh
from tests.transports.conftest import Far, openssh_login, sftp_server, through

STAMP = 1_767_268_800  # 2026-01-01T12:00:00Z


def body_of(content: bytes, piece: int) -> Body:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), piece):
            yield content[start : start + piece]

    return Body(len(content), chunks)


def lay(folder: Path, name: str, content: bytes) -> RemoteFile:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (STAMP, STAMP))
    return RemoteFile(folder.name, name, len(content), datetime(2026, 1, 1, 12, tzinfo=UTC))


class TestFetching:
    async def test_a_listing_gives_regular_files_by_name_with_size_and_time(self, far: Far, sftp: Sftp) -> None:  # L17
        folder = far.folder("reports")
        second = lay(folder, "b.csv", b"two")
        first = lay(folder, "a.csv", b"")
        (folder / "archive").mkdir()
        (folder / "link.csv").symlink_to(folder / "a.csv")

        assert await sftp.list("reports") == [first, second]
        assert sftp.odd_entries == {"reports": 0}

    async def test_a_folder_that_is_not_there_is_refused_by_its_name(self, sftp: Sftp) -> None:
        with pytest.raises(Refused, match="there is no folder reports/none"):
            await sftp.list("reports/none")
        with pytest.raises(Refused, match="there is no folder reports/none"):
            await sftp.exists("reports/none", ["a.csv"])

    async def test_a_folder_with_too_many_entries_is_unreadable(self, far: Far, sftp: Sftp) -> None:
        for number in range(5):
            lay(far.folder("reports"), f"{number}.csv", b"")
        with pytest.raises(Unreadable, match="more than 4 entries"):
            await sftp.list("reports", limit=4)

    async def test_a_name_that_is_not_text_hides_no_other(self, far: Far, sftp: Sftp) -> None:  # D9
        folder = far.folder("reports")
        good = lay(folder, "bon-été.csv", b"1")
        for name in (b"caf\xe9.csv", b"two\nlines.csv", b"back\\slash.csv", b"bell\x07.csv"):
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()

        assert await sftp.list("reports") == [good]
        assert sftp.odd_entries == {"reports": 4}

    @pytest.mark.parametrize("length", [0, 1, 16_384, 300_000, 1_500_001])
    async def test_reading_returns_the_bytes(self, far: Far, sftp: Sftp, length: int) -> None:  # D7
        content = os.urandom(length)
        file = lay(far.folder("orders"), "order-1.txt", content)

        assert await sftp.read(file) == content
        async with aclosing(sftp.stream(file)) as stream:
            chunks = [chunk async for chunk in stream]
        assert b"".join(chunks) == content
        assert all(len(chunk) <= 256 * 1024 for chunk in chunks)

    async def test_a_file_over_the_limit_is_not_fetched(self, far: Far, sftp: Sftp) -> None:
        file = lay(far.folder("orders"), "order-1.txt", b"12345")
        with pytest.raises(Unreadable, match="has 5 bytes, at most 4 are read"):
            await sftp.read(file, limit=4)
        with pytest.raises(Unreadable, match="at most 4"):
            await anext(sftp.stream(file, limit=4))

    async def test_a_file_that_is_gone_says_so(self, far: Far, sftp: Sftp) -> None:
        far.folder("orders")
        gone = RemoteFile("orders", "order-1.txt", 3)
        with pytest.raises(FileGone):
            await sftp.read(gone)

    @pytest.mark.parametrize("now", [b"1234567", b"123", b"12345"])
    async def test_a_file_that_is_still_written_is_unreadable(self, far: Far, sftp: Sftp, now: bytes) -> None:  # D9
        file = lay(far.folder("orders"), "order-1.txt", b"abcde")
        (far.root / "orders" / "order-1.txt").write_bytes(now)

        with pytest.raises(Unreadable, match=r"order-1\.txt changed while it was read"):
            await sftp.read(file)
        with pytest.raises(Unreadable, match=r"order-1\.txt changed while it was read"):
            async for _ in sftp.stream(file):
                pass

    @pytest.mark.parametrize("connections", [1, 3])
    async def test_many_files_come_in_order_and_one_bad_one_stops_none(self, far: Far, connections: int) -> None:  # D9
        folder = far.folder("reports")
        files = [lay(folder, f"{number:03}.csv", b"%d;" % number * number) for number in range(300)]
        (folder / "007.csv").unlink()
        (folder / "070.csv").write_bytes(b"other")
        sftp = Sftp(replace(far.login, connections=connections))

        came = [(file, fetched) async for file, fetched in sftp.read_many(files, limit=1_000)]
        await sftp.aclose()

        assert [file for file, _ in came] == files
        for number, (_, fetched) in enumerate(came):
            if number == 7:
                assert isinstance(fetched, FileGone)
            elif number == 70 or len(b"%d;" % number) * number > 1_000:
                assert isinstance(fetched, Unreadable)
            else:
                assert fetched == b"%d;" % number * number

    async def test_a_reader_of_many_may_use_the_connection_and_stop_early(self, far: Far, sftp: Sftp) -> None:
        folder = far.folder("reports")
        far.folder("archive")
        files = [lay(folder, f"{number:03}.csv", b"x") for number in range(40)]
        async for file, _ in sftp.read_many(files):
            await sftp.move("reports", file.name, "archive")
            if file.name == "020.csv":
                break
        assert len(await sftp.list("archive")) == 21

    async def test_a_stream_left_early_leaves_the_rest_usable(self, far: Far, sftp: Sftp) -> None:
        file = lay(far.folder("reports"), "big.csv", bytes(2_000_000))
        async with aclosing(sftp.stream(file)) as stream:
            assert len(await anext(stream)) == 256 * 1024
        assert await sftp.list("reports") == [file]


class TestPutting:
    @pytest.mark.parametrize("how", Put)
    @pytest.mark.parametrize("length", [0, 5, 261_120, 2_500_000])
    async def test_a_file_arrives_whole(self, far: Far, sftp: Sftp, how: Put, length: int) -> None:  # J3
        folder = far.folder("inventory")
        content = os.urandom(length)

        await sftp.put("inventory", "a.csv", content, how=how)
        await sftp.put("inventory", "b.csv", body_of(content, 70_001), how=how)

        assert (folder / "a.csv").read_bytes() == content
        assert (folder / "b.csv").read_bytes() == content
        markers = ["a.csv.DONE", "b.csv.DONE"] if how is Put.MARKER else []
        assert names_in(folder) == sorted(["a.csv", "b.csv", *markers])

    @pytest.mark.parametrize("how", Put)
    async def test_a_name_that_is_taken_is_never_overwritten(self, far: Far, sftp: Sftp, how: Put) -> None:
        folder = far.folder("inventory")
        await sftp.put("inventory", "a.csv", b"first", how=how)
        with pytest.raises(Refused, match="already there"):
            await sftp.put("inventory", "a.csv", b"second", how=how)
        assert (folder / "a.csv").read_bytes() == b"first"

    async def test_the_marker_is_a_setting_and_a_leftover_without_it_is_replaced(
        self, far: Far, sftp: Sftp
    ) -> None:  # J8
        folder = far.folder("shipments")
        (folder / "dispatch-1.txt").write_bytes(b"torn, and longer than what follows")
        await sftp.put("shipments", "dispatch-1.txt", b"whole", how=Put.MARKER, marker=".OK")
        assert (folder / "dispatch-1.txt").read_bytes() == b"whole"
        assert (folder / "dispatch-1.txt.OK").read_bytes() == b""

    async def test_a_rename_may_come_from_another_folder(self, far: Far, sftp: Sftp) -> None:
        folder, temp = far.folder("offers"), far.folder("temp")
        (temp / ".offers.xml.part").write_bytes(b"left from a try that was lost")
        await sftp.put("offers", "offers.xml", b"<offers/>", how=Put.RENAME, temp_folder="temp")
        assert (folder / "offers.xml").read_bytes() == b"<offers/>"
        assert names_in(temp) == []

    @pytest.mark.parametrize("how", Put)
    async def test_a_folder_that_is_not_there_is_refused(self, sftp: Sftp, how: Put) -> None:
        with pytest.raises(Refused):
            await sftp.put("nowhere", "a.csv", b"1", how=how)

    @pytest.mark.parametrize("how", Put)
    async def test_what_the_content_raises_comes_out_as_it_is(self, far: Far, sftp: Sftp, how: Put) -> None:
        class SpoolError(Exception):
            pass

        async def chunks() -> AsyncIterator[bytes]:
            yield b"first"
            raise SpoolError

        folder = far.folder("inventory")
        with pytest.raises(SpoolError):
            await sftp.put("inventory", "a.csv", Body(10, chunks), how=how)
        assert not (folder / "a.csv.DONE").exists()
        with pytest.raises(ValueError, match="not the 4 bytes"):
            await sftp.put("inventory", "b.csv", replace(body_of(b"12345", 2), length=4), how=how)
        await sftp.put("inventory", "c.csv", b"1", how=how)

    @pytest.mark.parametrize("name", ["", "..", "a/b.csv", "../a.csv", "a\nb.csv", "a\\b.csv"])
    async def test_a_name_that_is_not_one_segment_never_leaves(self, sftp: Sftp, name: str) -> None:
        with pytest.raises(ValueError, match="not a clean file name"):
            await sftp.put("inventory", name, b"1", how=Put.AT_ONCE)

    async def test_a_small_file_put_at_once_is_one_write(self, tmp_path: Path) -> None:  # J3
        writes: list[int] = []

        class Counting(asyncssh.SFTPServer):
            def write(self, file_obj: object, offset: int, data: bytes) -> int:
                writes.append(len(data))
                return super().write(file_obj, offset, data)  # type: ignore[return-value]

        async with sftp_server(tmp_path, sftp=Counting) as login:
            sftp = Sftp(login)
            await sftp.put("", "inventory-1.csv", body_of(bytes(200_000), 9_999), how=Put.AT_ONCE)
            await sftp.aclose()
        assert writes == [200_000]


class TestMoving:
    async def test_a_move_keeps_the_name_and_a_repeat_is_success(self, far: Far, sftp: Sftp) -> None:  # J14
        lay(far.folder("orders"), "order-1.txt", b"1")
        processed = far.folder("processed")
        await sftp.move("orders", "order-1.txt", "processed")
        await sftp.move("orders", "order-1.txt", "processed")
        assert (processed / "order-1.txt").read_bytes() == b"1"

    async def test_a_file_in_the_way_is_not_overwritten(self, far: Far, sftp: Sftp) -> None:
        lay(far.folder("orders"), "order-1.txt", b"new")
        lay(far.folder("processed"), "order-1.txt", b"old")
        with pytest.raises(Refused, match="already"):
            await sftp.move("orders", "order-1.txt", "processed")
        assert (far.root / "processed" / "order-1.txt").read_bytes() == b"old"

    async def test_a_file_may_go_beside_those_of_its_name(self, far: Far, sftp: Sftp) -> None:  # J14
        processed = far.folder("processed")
        for content in (b"one", b"two", b"three"):
            lay(far.folder("orders"), "order-1.txt", content)
            await sftp.move("orders", "order-1.txt", "processed", beside=True)
        kept = {name: (processed / name).read_bytes() for name in names_in(processed)}
        assert kept == {"order-1.txt": b"one", "order-1.txt.2": b"two", "order-1.txt.3": b"three"}

    async def test_another_file_under_a_name_is_told_from_the_listed_one(self, far: Far, sftp: Sftp) -> None:  # J14
        folder = far.folder("orders")
        file = lay(folder, "order-1.txt", b"one")
        assert not await sftp.is_other(file)
        (folder / "order-1.txt").write_bytes(b"another")
        assert await sftp.is_other(file)
        (folder / "order-1.txt").unlink()
        assert not await sftp.is_other(file)

    async def test_a_folder_that_is_not_there_is_made(self, far: Far, sftp: Sftp) -> None:
        for number in range(3):
            lay(far.folder("orders"), f"order-{number}.txt", b"new")
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(sftp.move, "orders", f"order-{number}.txt", "processed")
        assert names_in(far.root / "processed") == ["order-0.txt", "order-1.txt", "order-2.txt"]

    async def test_a_folder_that_cannot_be_made_takes_nothing(self, far: Far, sftp: Sftp) -> None:
        lay(far.folder("orders"), "order-1.txt", b"new")
        with pytest.raises(Refused, match="making the folder none/processed"):
            await sftp.move("orders", "order-1.txt", "none/processed")
        assert names_in(far.root / "orders") == ["order-1.txt"]

    async def test_removing_twice_is_success(self, far: Far, sftp: Sftp) -> None:
        lay(far.folder("orders"), "order-1.txt", b"1")
        await sftp.remove("orders", "order-1.txt")
        await sftp.remove("orders", "order-1.txt")
        assert await sftp.list("orders") == []

    async def test_exists_tells_which_names_stand_there(self, far: Far, sftp: Sftp) -> None:
        for name in ("a.txt", "c.txt"):
            lay(far.folder("orders"), name, b"")
        assert await sftp.exists("orders", ["a.txt", "b.txt", "c.txt"]) == {"a.txt", "c.txt"}
        assert await sftp.exists("orders", []) == set()


class TestLoggingIn:
    async def test_a_server_without_a_pinned_key_is_not_talked_to(self, far: Far) -> None:
        sftp = Sftp(replace(far.login, host_keys=()))
        with pytest.raises(AccessDenied, match="no host key is pinned.*sellerd accounts trust"):
            await sftp.list("")

    @pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
    async def test_another_host_key_is_refused_with_both_fingerprints(self, far: Far, kind: str) -> None:
        pinned = asyncssh.generate_private_key(kind).export_public_key().decode()
        with pytest.raises(AccessDenied) as refusal:
            await Sftp(replace(far.login, host_keys=(pinned,))).list("")
        assert fingerprint(pinned) in str(refusal.value)
        assert fingerprint(far.login.host_keys[0]) in str(refusal.value)

    async def test_one_of_several_pinned_keys_is_enough(self, far: Far) -> None:
        spare = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        sftp = Sftp(replace(far.login, host_keys=(spare, *far.login.host_keys)))
        assert await sftp.list("") == []
        await sftp.aclose()

    async def test_a_wrong_login_needs_a_person(self, far: Far) -> None:  # D10
        other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        for login in (
            replace(far.login, password="wrong", private_key=""),
            replace(far.login, password="", private_key=other),
            replace(far.login, password="", private_key=""),
        ):
            with pytest.raises(AccessDenied, match="the login was refused") as refusal:
                await Sftp(login).list("")
            assert "wrong" not in str(refusal.value)

    async def test_nothing_is_taken_from_the_home_of_who_runs_it(
        self, openssh: OpenSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        login = openssh_login(openssh)
        ssh = tmp_path / "home" / ".ssh"
        ssh.mkdir(parents=True)
        (ssh / "id_ed25519").write_text(openssh.private_key)
        (ssh / "known_hosts").write_text(f"[{openssh.host}]:{openssh.port} {openssh.host_key}\n")
        (ssh / "config").write_text("Host *\n  ProxyCommand false\n")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))

        with pytest.raises(AccessDenied, match="the login was refused"):
            await Sftp(replace(login, private_key="")).list("")
        with pytest.raises(AccessDenied, match="no host key is pinned"):
            await Sftp(replace(login, host_keys=())).list("")
        sftp = Sftp(login)
        assert await sftp.list("") == []
        await sftp.aclose()

    async def test_a_key_that_cannot_be_read_needs_a_person(self, far: Far) -> None:
        with pytest.raises(AccessDenied, match="not a private key"):
            await Sftp(replace(far.login, private_key="rubbish")).list("")
        with pytest.raises(AccessDenied, match="pinned host key cannot be read"):
            await Sftp(replace(far.login, host_keys=("rubbish",))).list("")

    async def test_the_offered_host_keys_can_be_asked_for(self, far: Far) -> None:
        (key,) = await offered_host_keys(far.login.host, far.login.port, 10)
        assert far.login.host_keys[0].startswith(key.line)
        assert key.algorithm == "ssh-ed25519"
        assert key.fingerprint == fingerprint(far.login.host_keys[0])
        assert key.fingerprint.startswith("SHA256:")

    async def test_no_secret_shows_in_the_login(self) -> None:
        shown = repr(
            SftpLogin("sftp.example.test", user="shop", password="p4ss", private_key="k3y", passphrase="phr4se")
        )
        assert not any(secret in shown for secret in ("p4ss", "k3y", "phr4se"))


class TestKeys:
    def test_a_private_key_is_read_with_its_passphrase(self) -> None:
        pem = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem", "open sesame").decode()
        assert parse_private_key(pem, "open sesame").get_algorithm() == "ssh-ed25519"
        with pytest.raises(ValueError, match="does not open"):
            parse_private_key(pem, "wrong")
        with pytest.raises(ValueError, match="no passphrase is given"):
            parse_private_key(pem)

    @pytest.mark.parametrize("text", ["", "rubbish", "-----BEGIN PRIVATE KEY-----\nclé\n-----END PRIVATE KEY-----"])
    def test_what_is_no_key_is_said_without_quoting_it(self, text: str) -> None:
        with pytest.raises(ValueError, match="not a private key") as problem:
            parse_private_key(text)
        assert "rubbish" not in str(problem.value)

    def test_what_is_no_host_key_is_said(self) -> None:
        with pytest.raises(ValueError, match="not a public key in OpenSSH form"):
            fingerprint("ssh-ed25519 rubbish")


class TestHostileServers:
    async def test_names_that_climb_or_forge_are_left_out(self, tmp_path: Path) -> None:  # D9
        regular = asyncssh.SFTPAttrs(type=asyncssh.FILEXFER_TYPE_REGULAR, size=1, permissions=0o100644, mtime=STAMP)
        names = [b"../x", b"/etc/passwd", b"", b".", b"..", b"a\nb", b"a\0b", b"\xff", "a\u2028b".encode(), b"good.csv"]

        class Hostile(asyncssh.SFTPServer):
            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                for name in names:
                    yield asyncssh.SFTPName(name, b"-rw-r--r--", regular)

        async with sftp_server(tmp_path, sftp=Hostile) as login:
            sftp = Sftp(login)
            assert [file.name for file in await sftp.list("reports")] == ["good.csv"]
            assert sftp.odd_entries == {"reports": 9}
            await sftp.aclose()

    async def test_a_file_that_grows_while_it_is_read_is_unreadable(self, tmp_path: Path) -> None:  # D9
        class Growing(asyncssh.SFTPServer):
            def read(self, file_obj: object, offset: int, size: int) -> bytes:
                data = super().read(file_obj, offset, size)
                with (tmp_path / "order-1.txt").open("ab") as file:
                    file.write(b"more")
                return data  # type: ignore[return-value]

        file = replace(lay(tmp_path, "order-1.txt", b"abc"), folder="")
        async with sftp_server(tmp_path, sftp=Growing) as login:
            sftp = Sftp(login)
            with pytest.raises(Unreadable, match="changed while it was read"):
                await sftp.read(file)
            await sftp.aclose()

    async def test_a_file_that_comes_a_byte_at_a_time_ends_by_the_deadline(self, tmp_path: Path) -> None:
        """Each answer is in time, all of them together never end (promise P17)."""

        class Dripping(asyncssh.SFTPServer):
            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
                return io.BytesIO()

            async def read(self, file_obj: object, offset: int, size: int) -> bytes:
                await anyio.sleep(0.02)
                return b"1"

        file = RemoteFile("", "order-1.txt", 1_000)
        async with sftp_server(tmp_path, sftp=Dripping) as login:
            sftp = Sftp(replace(login, timeouts=SftpTimeouts(transfer=1)))
            with anyio.fail_after(10), pytest.raises(Unreachable, match=r"no answer within 1\.03\d+ s"):
                await sftp.read(file)
            await sftp.aclose()

    async def test_an_endless_listing_of_long_names_is_not_held(self, tmp_path: Path) -> None:  # D9
        regular = asyncssh.SFTPAttrs(type=asyncssh.FILEXFER_TYPE_REGULAR, size=1, permissions=0o100644, mtime=STAMP)
        impossible = asyncssh.SFTPAttrs(
            type=asyncssh.FILEXFER_TYPE_REGULAR, size=1 << 63, permissions=0o100644, mtime=STAMP
        )

        class Endless(asyncssh.SFTPServer):
            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                yield asyncssh.SFTPName(b"vast.csv", b"-", impossible)
                yield asyncssh.SFTPName(b"good.csv", b"-", regular)
                for number in range(3_000):
                    yield asyncssh.SFTPName(b"%d" % number + b"x" * 20_000, b"-", regular)

        async with sftp_server(tmp_path, sftp=Endless) as login:
            # OpenSSH's own client takes no answer of 2 MB either.
            sftp = Sftp(login)
            with pytest.raises(Unreachable, match="an answer of"):
                await sftp.list("reports")
            await sftp.aclose()
            sftp = Sftp(replace(login, pipelining=False))
            tracemalloc.start()
            assert [file.name for file in await sftp.list("reports")] == ["good.csv"]
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert sftp.odd_entries == {"reports": 3_001}
            assert peak < 40_000_000
            await sftp.aclose()

    async def test_a_full_disk_is_refused_before_the_marker_and_unconfirmed_at_once(self, tmp_path: Path) -> None:
        class Full(asyncssh.SFTPServer):
            def write(self, file_obj: object, offset: int, data: bytes) -> int:
                raise asyncssh.SFTPFailure("no space left\nforged line")

        async with sftp_server(tmp_path, sftp=Full) as login:
            sftp = Sftp(login)
            with pytest.raises(Refused, match="no space left forged line"):
                await sftp.put("", "a.csv", b"1", how=Put.MARKER)
            with pytest.raises(Unconfirmed):
                await sftp.put("", "b.csv", b"1", how=Put.AT_ONCE)
            await sftp.aclose()
        assert names_in(tmp_path) == ["a.csv", "b.csv"]

    async def test_a_file_that_is_shorter_at_the_far_side_gets_no_marker(self, tmp_path: Path) -> None:
        class Losing(asyncssh.SFTPServer):
            def write(self, file_obj: object, offset: int, data: bytes) -> int:
                super().write(file_obj, offset, data[:-1])
                return len(data)

        async with sftp_server(tmp_path, sftp=Losing) as login:
            sftp = Sftp(login)
            with pytest.raises(Unreachable, match="has 2 of 3 bytes"):
                await sftp.put("", "a.csv", b"123", how=Put.MARKER)
            with pytest.raises(Unconfirmed, match="has 2 of 3 bytes"):
                await sftp.put("", "b.csv", b"123", how=Put.AT_ONCE)
            await sftp.aclose()
        assert names_in(tmp_path) == ["a.csv", "b.csv"]

    async def test_a_file_that_is_taken_at_once_has_arrived(self, tmp_path: Path) -> None:  # J3
        class Swift(asyncssh.SFTPServer):
            def close(self, file_obj: object) -> None:
                super().close(file_obj)
                (tmp_path / "stock.csv").unlink()

        async with sftp_server(tmp_path, sftp=Swift) as login:
            sftp = Sftp(login)
            await sftp.put("", "stock.csv", b"123", how=Put.AT_ONCE)
            await sftp.aclose()


class TestLosses:
    QUICK = SftpTimeouts(connect=30, login=30, list=1.5, call=1.5, transfer=1.5)

    async def test_a_hung_sftp_server_ends_by_the_deadline_and_close_does_not_hang(self, openssh: OpenSsh) -> None:
        (openssh.root / "inventory").mkdir()
        sftp = Sftp(replace(openssh_login(openssh), timeouts=self.QUICK))
        await sftp.list("inventory")
        hung = openssh.sftp_servers()
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        with anyio.fail_after(30):
            with pytest.raises(Unreachable, match=r"no answer within 1\.5 s while listing inventory"):
                await sftp.list("inventory")
            # The next call does not find the dead connection.
            assert await sftp.list("inventory") == []
            for pid in set(openssh.sftp_servers()) - set(hung):
                os.kill(pid, signal.SIGSTOP)
            async with anyio.create_task_group() as group:
                group.start_soon(self._expect_unreachable, sftp)
                await anyio.wait_all_tasks_blocked()
                await sftp.aclose()

    @pytest.mark.parametrize("by", ["deadline", "aclose"])
    async def test_a_line_is_dropped_without_a_good_bye(self, openssh: OpenSsh, by: str) -> None:
        # A server may take an orderly end for the end of the upload, and half a file for a whole one.
        (openssh.root / "inventory").mkdir()
        sftp = Sftp(replace(openssh_login(openssh), timeouts=SftpTimeouts(call=0.5 if by == "deadline" else 60)))
        await sftp.list("inventory")
        for pid in openssh.sftp_servers():
            os.kill(pid, signal.SIGSTOP)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(self._expect_a_loss, sftp)
                if by == "aclose":
                    await anyio.wait_all_tasks_blocked()
                    await sftp.aclose()
            # Whichever of the two it was, sshd writes it down before this.
            while "Closing connection to" not in (told := openssh.log.read_text()) and "Disconnected from" not in told:
                await anyio.sleep(0.01)
        assert "Received disconnect" not in told

    async def _expect_a_loss(self, sftp: Sftp) -> None:
        with pytest.raises(Unreachable):
            await sftp.put("inventory", "stock.csv", b"sku,stock\n", how=Put.MARKER)

    async def _expect_unreachable(self, sftp: Sftp) -> None:
        with pytest.raises(Unreachable):
            await sftp.list("inventory")

    async def test_a_server_that_says_nothing_is_unreachable(self) -> None:
        async def silent(reader: object, writer: object) -> None:
            await anyio.sleep_forever()

        key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        async with raw_server(silent) as port:
            login = SftpLogin("127.0.0.1", port, "shop", "x", host_keys=(key,), timeouts=SftpTimeouts(5, 0.2))
            with anyio.fail_after(30), pytest.raises(Unreachable):
                await Sftp(login).list("")
            with anyio.fail_after(30), pytest.raises(Unreachable, match=r"within 0\.2 s"):
                await offered_host_keys("127.0.0.1", port, 0.2)

    async def test_nobody_listening_is_unreachable(self) -> None:
        async def nothing(reader: object, writer: object) -> None:
            return

        async with raw_server(nothing) as port:
            pass
        key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        with pytest.raises(Unreachable, match="127.0.0.1"):
            await Sftp(SftpLogin("127.0.0.1", port, "shop", "x", host_keys=(key,))).list("")
        with pytest.raises(Unreachable, match="127.0.0.1"):
            await offered_host_keys("127.0.0.1", port, 5)

    async def test_cancelled_calls_leave_nothing_open_at_the_far_side(self, openssh: OpenSsh) -> None:
        folder = openssh.root / "reports"
        folder.mkdir()
        files = [lay(folder, f"{number}.csv", bytes(200_000)) for number in range(10)]
        sftp = Sftp(openssh_login(openssh))
        await sftp.list("reports")
        for delay in (0.0, 0.001, 0.003, 0.01):
            with anyio.move_on_after(delay):
                async for _ in sftp.read_many(files):
                    pass
        assert len(await sftp.list("reports")) == 10
        with anyio.fail_after(30):
            while len(pids := openssh.sftp_servers()) > 2:
                await anyio.sleep(0.01)
        for pid in pids:
            assert not any("reports/" in str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir())
        await sftp.aclose()

    async def test_one_call_cancelled_does_not_end_another(self, far: Far, sftp: Sftp) -> None:
        file = lay(far.folder("reports"), "big.csv", os.urandom(8_000_000))
        result: list[bytes] = []

        async def read() -> None:
            result.append(await sftp.read(file))

        await sftp.list("reports")
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            with anyio.CancelScope() as scope:
                scope.cancel()
                await sftp.list("reports")
        assert len(result[0]) == file.size

    async def test_a_second_connection_that_is_not_allowed_is_done_without(self, far: Far) -> None:
        folder = far.folder("reports")
        files = [lay(folder, f"{number:02}.csv", b"x") for number in range(40)]
        async with cable_to(far.login.host, far.login.port) as cable:
            sftp = Sftp(replace(through(far.login, cable), connections=2))
            await sftp.list("reports")
            cable.allowed = 1
            assert [fetched async for _, fetched in sftp.read_many(files)] == [b"x"] * 40
            await sftp.aclose()


CONTENT = b"order_id\tstatus\n" + b"3701234567897\tshipped\n" * 60


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize(
    ("far", "how", "step"),
    [
        ("openssh", Put.MARKER, 101),
        ("asyncssh", Put.MARKER, 13),
        ("asyncssh", Put.RENAME, 13),
        ("asyncssh", Put.AT_ONCE, 13),
    ],
    indirect=["far"],
)
async def test_a_cut_at_any_byte_of_a_put_gets_its_true_name(
    far: Far, how: Put, step: int, direction: str
) -> None:  # J8
    """Cut the line after every so many bytes of a put: no marker or name ever stands beside a short file."""
    folder = far.folder("updates")
    seen: set[str] = set()
    async with cable_to(far.login.host, far.login.port) as cable:
        sftp = Sftp(through(far.login, cable))
        await sftp.exists("updates", [])
        before = cable.carried[direction]
        await sftp.put("updates", "measure.txt", CONTENT, how=how)
        length = cable.carried[direction] - before
        for number, after in enumerate([*range(1, length + 50, step), length + 2_000]):
            name = f"update-{number}.txt"
            await sftp.exists("updates", [])
            cable.cut(direction, after)
            try:
                await sftp.put("updates", name, CONTENT, how=how)
                outcome = "arrived"
            except (Unreachable, Unconfirmed, MarketplaceError) as error:
                outcome = type(error).__name__
            cable.mend()
            await sftp.aclose()
            seen.add(outcome)
            judge(folder, name, how, outcome)
            if outcome == "Unreachable" and how is not Put.AT_ONCE:
                await sftp.put("updates", name, CONTENT, how=how)
                judge(folder, name, how, "arrived")
        await sftp.aclose()
    assert seen >= {"arrived", "Unreachable", "Unconfirmed"}
    assert "Refused" not in seen


def judge(folder: Path, name: str, how: Put, outcome: str) -> None:
    """Hold what stands at the far side against what our side says of it."""
    data = (folder / name).read_bytes() if (folder / name).exists() else b""
    visible = (folder / f"{name}.DONE").exists() if how is Put.MARKER else bool(data)
    if outcome == "arrived":
        assert visible
    if outcome == "Unreachable":
        assert not visible
        assert how is not Put.AT_ONCE or not (folder / name).exists()
    if visible and (how is not Put.AT_ONCE or outcome == "arrived"):
        assert data == CONTENT


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
