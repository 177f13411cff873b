"""SSH keys as text: reading ours, naming a server's by fingerprint, and asking a server which it has."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
import asyncssh

from daemon.errors import Unreachable

# The kinds of key that servers have, and by which signatures each may prove itself: RSA with SHA-1 is not among them.
_SIGNATURES = {
    "ssh-ed25519": ["ssh-ed25519"],
    "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
    "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
    "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
    "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
}


@dataclass(frozen=True, slots=True)
class HostKey:
    """A key that a server showed: the line to pin, its algorithm, and the fingerprint that people compare."""

    line: str
    algorithm: str
    fingerprint: str


def parse_public_key(line: str) -> asyncssh.SSHKey:
    """Read one public key in OpenSSH form ("ssh-ed25519 AAAA…"); raises ValueError that says what is wrong."""
    try:
        return asyncssh.import_public_key(line)
    except asyncssh.KeyImportError:
        raise ValueError("not a public key in OpenSSH form (like: ssh-ed25519 AAAA…)") from None


def accepted_signatures(pinned: Sequence[asyncssh.SSHKey]) -> list[str]:
    """Return the signatures to ask a server for, those of the pinned keys first.

    The others are asked for as well, so that a server that has none of the pinned kinds shows what it has, and a
    person reads two fingerprints instead of a lost connection.
    """
    kinds = dict.fromkeys([*(key.get_algorithm() for key in pinned), *_SIGNATURES])
    return [signature for kind in kinds for signature in _SIGNATURES.get(kind, [kind])]


def fingerprint(line: str) -> str:
    """Return the SHA256:… fingerprint of a public key line, as `ssh-keygen -l` prints it; raises ValueError."""
    return parse_public_key(line).get_fingerprint()


def parse_private_key(pem: str, passphrase: str = "") -> asyncssh.SSHKey:
    """Read a private key in OpenSSH, PKCS#8 or PEM form; raises ValueError that never quotes the key."""
    try:
        return asyncssh.import_private_key(pem, passphrase or None)
    except asyncssh.KeyEncryptionError as error:
        raise ValueError(f"the private key cannot be decrypted: {error}") from None
    except asyncssh.KeyImportError as error:
        # Only the library's text tells these apart.
        if "Passphrase must be specified" in str(error):
            raise ValueError("the private key is encrypted and no passphrase is given") from None
        if "Unable to decrypt" in str(error):
            raise ValueError("the passphrase does not open the private key") from None
        raise ValueError("not a private key in OpenSSH, PKCS#8 or PEM form") from None


async def offered_host_keys(host: str, port: int = 22, deadline: float = 30) -> list[HostKey]:
    """Ask a server for its host keys, without logging in, so that a person can compare and pin them.

    What is returned proves nothing: anyone between us and the server could have answered. `deadline` is in seconds
    for all of it. Raises Unreachable.
    """
    found: dict[str, HostKey] = {}
    try:
        with anyio.fail_after(deadline):
            await _ask_for(host, port, accepted_signatures([]), found)
            for kind in [kind for kind in _SIGNATURES if kind not in found]:
                # A server without a key of this kind hangs up.
                with suppress(OSError, EOFError, asyncssh.Error):
                    await _ask_for(host, port, _SIGNATURES[kind], found)
    except TimeoutError:
        raise Unreachable(f"{host}:{port}: did not show its host keys within {deadline:g} s") from None
    except (OSError, EOFError, ValueError, asyncssh.Error) as error:
        raise Unreachable(f"{host}:{port}: showed no host key: {error}") from error
    return list(found.values())


async def _ask_for(host: str, port: int, signatures: Sequence[str], found: dict[str, HostKey]) -> None:
    key = await asyncssh.get_server_host_key(host, port, server_host_key_algs=list(signatures), config=None)
    if key is not None:
        algorithm, data = key.export_public_key().decode("ascii").split()[:2]
        found[algorithm] = HostKey(f"{algorithm} {data}", algorithm, key.get_fingerprint())
