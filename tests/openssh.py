"""A real OpenSSH server on a loopback port, with its external sftp-server, for one test or one run of a method.

`scripts/install-test-servers` makes both programs available. Where they are missing the tests that need them are
skipped, except in CI, where that is a failure.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

_UNPACKED = Path(__file__).parents[1] / ".cache" / "openssh"
_SFTP_SERVER_FOLDERS = (
    "/usr/lib/openssh",
    "/usr/libexec/openssh",
    "/usr/libexec",
    "/usr/lib/ssh",
    "/usr/local/libexec",
)


@dataclass(frozen=True)
class OpenSsh:
    """A running server. Who logs in as `user` with `private_key` starts in the folder `root`."""

    root: Path
    port: int
    user: str
    private_key: str
    host_key: str
    host: str = "127.0.0.1"
    authorized_keys: Path = Path("authorized_keys")
    log: Path = Path("log")

    @contextmanager
    def refusing_logins(self) -> Iterator[None]:
        """Let nobody in while the block lasts; sessions that are open stay."""
        hidden = self.authorized_keys.rename(self.authorized_keys.with_suffix(".hidden"))
        try:
            yield
        finally:
            hidden.rename(self.authorized_keys)

    def sftp_servers(self) -> list[int]:
        """Return the process ids of this server's sftp-servers, one for each session."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and str(self.root).encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[OpenSsh]:
    """Start a server whose files are in a folder of its own, and end it after the test."""
    if not available():
        if os.environ.get("CI") == "true":
            pytest.fail("sshd or sftp-server is missing: run scripts/install-test-servers")
        pytest.skip("sshd or sftp-server is missing: run scripts/install-test-servers")
    with serving(tmp_path) as server:
        yield server


def available() -> bool:
    """Whether both programs are here."""
    return _programs() is not None


def _programs() -> tuple[str, str] | None:
    # sshd insists on being started by its absolute path.
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:{_UNPACKED}/usr/sbin")
    folders = [Path(folder) for folder in _SFTP_SERVER_FOLDERS] + [_UNPACKED / "usr/lib/openssh"]
    sftp_server = next((str(folder / "sftp-server") for folder in folders if (folder / "sftp-server").exists()), None)
    return (sshd, sftp_server) if sshd and sftp_server else None


@contextmanager
def serving(folder: Path) -> Iterator[OpenSsh]:
    """Run a server while the block lasts, all its files in `folder`; raises FileNotFoundError without the programs."""
    programs = _programs()
    if programs is None:
        raise FileNotFoundError("sshd or sftp-server is missing: run scripts/install-test-servers")
    sshd, sftp_server = programs
    state = folder / "openssh"
    root = folder / "openssh-root"
    state.mkdir(mode=0o700)
    root.mkdir()
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    own_key = asyncssh.generate_private_key("ssh-ed25519")
    (state / "host_key").touch(mode=0o600)
    (state / "host_key").write_bytes(host_key.export_private_key())
    (state / "authorized_keys").write_bytes(own_key.export_public_key())
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = _free_port()
    config = state / "sshd_config"
    config.write_text(
        f"""\
ListenAddress 127.0.0.1:{port}
HostKey {state}/host_key
AuthorizedKeysFile {state}/authorized_keys
Subsystem sftp {sftp_server} -d {root}
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
MaxStartups 100
LogLevel VERBOSE
"""
    )
    log = state / "log"
    libraries = ":".join(str(library) for library in _UNPACKED.glob("usr/lib/*-linux-*"))
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries} if sshd.startswith(str(_UNPACKED)) else None
    process = subprocess.Popen([sshd, "-D", "-E", str(log), "-f", str(config)], env=environment)
    server = OpenSsh(
        root=root,
        port=port,
        user=getpass.getuser(),
        private_key=own_key.export_private_key().decode(),
        host_key=host_key.export_public_key().decode().strip(),
        authorized_keys=state / "authorized_keys",
        log=log,
    )
    try:
        _wait_until_listening(process, port, log)
        yield server
    finally:
        for pid in server.sftp_servers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.terminate()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + 10
    while time.monotonic() < give_up_at and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    pytest.fail(f"sshd did not start: {log.read_text() if log.exists() else 'it wrote no log'}")
