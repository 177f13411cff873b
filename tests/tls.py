"""Servers' certificates, good ones and bad ones, for tests of who is trusted."""

import ssl
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)


def self_signed(folder: Path, host: str = "127.0.0.1") -> ssl.SSLContext:
    """The server's side for an address or a name; `certificate_in` is what a client would have to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(_name(host), key, _name(host), key, known_as=[host])
    certificate_in(folder).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return _server(folder / "server.pem", key, certificate)


def certificate_in(folder: Path) -> Path:
    """Where the certificate lies."""
    return folder / "certificate.pem"


@dataclass(frozen=True)
class Leaf:
    """What a server's certificate says; everything is in order but for what a test changes.

    `common_name` is the name in the subject, `known_as` the names and addresses that count.
    """

    common_name: str = "127.0.0.1"
    known_as: tuple[str, ...] = ("127.0.0.1",)
    since: datetime = SINCE
    until: datetime = UNTIL
    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH


class Authority:
    """Who vouches for servers; a client that trusts `path` trusts it. With `only`, it may vouch for that domain alone."""

    def __init__(self, folder: Path, name: str = "authority", *, only: str = "") -> None:
        self.folder, self.path = folder, folder / f"{name}.pem"
        self._name, self._key = _name(name), ec.generate_private_key(ec.SECP256R1())
        limits = x509.NameConstraints([x509.DNSName(only)], None) if only else None
        self.certificate = _certificate(self._name, self._key, self._name, self._key, authority=True, limits=limits)
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, leaf: Leaf, *, protocol: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A server that shows this certificate, by this version of TLS alone where one is named."""
        return _server(self.folder / "leaf.pem", leaf.key, self._signed(leaf), protocol=protocol)

    def server_behind(self, between: Leaf, leaf: Leaf) -> ssl.SSLContext:
        """A server whose certificate was made with the key of another one, which is no authority."""
        signed = _certificate(
            _name(leaf.common_name), leaf.key, _name(between.common_name), between.key, known_as=leaf.known_as
        )
        return _server(self.folder / "leaf.pem", leaf.key, signed, self._signed(between))

    def _signed(self, leaf: Leaf) -> x509.Certificate:
        return _certificate(
            *(_name(leaf.common_name), leaf.key, self._name, self._key),
            known_as=leaf.known_as,
            since=leaf.since,
            until=leaf.until,
            purpose=leaf.purpose,
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    key: Key,
    issuer: x509.Name,
    issuer_key: Key,
    *,
    known_as: tuple[str, ...] | list[str] = (),
    since: datetime = SINCE,
    until: datetime = UNTIL,
    purpose: x509.ObjectIdentifier | None = None,
    authority: bool = False,
    limits: x509.NameConstraints | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )
    if known_as:
        names = [x509.IPAddress(ip_address(it)) if it[0].isdigit() else x509.DNSName(it) for it in known_as]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if limits is not None:
        builder = builder.add_extension(limits, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def _server(
    path: Path, key: Key, *certificates: x509.Certificate, protocol: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A server that would be served by anything: what is refused, the client refuses.
    context.set_ciphers("ALL:@SECLEVEL=0")
    if protocol is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = protocol
    context.load_cert_chain(path)
    return context
