"""Which addresses may be asked: what is wrong with one that a person wrote, and which belong to the internet."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

#: networks that carry IPv4 addresses of their own: what counts is the address inside
_NAT64 = IPv6Address("64:ff9b::")


def address_fault(url: str, *, private: bool) -> str:
    """What is wrong with an address that a person wrote; empty when it may be asked."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    schemes = ("https", "http") if private else ("https",)
    if parts.scheme not in schemes or not host:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)} and a host"
    if parts.username or parts.password:
        return "must not hold a user or password: it would stand in logs"
    return ""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large, also where IPv6 wraps an IPv4 one."""
    ip = ip_address(address.partition("%")[0])
    inner = _inner(ip) if isinstance(ip, IPv6Address) else ip
    return inner.is_global and not inner.is_multicast


def _inner(ip: IPv6Address) -> IPv4Address | IPv6Address:
    if int(ip) >> 32 == int(_NAT64) >> 32:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or ip
