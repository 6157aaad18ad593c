"""The address that a limit counts by. It lives in memory for as long as the limit looks back, and nowhere else."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(address: str) -> Network | None:
    """The caller's network: an IPv4 address, or the /64 that one IPv6 subscriber has. None when it is no address."""
    found = _parsed(address)
    if found is None:
        return None
    return ipaddress.ip_network((found, 32 if found.version == 4 else 64), strict=False)


def is_local(address: str) -> bool:
    """Whether the caller is on the machine itself. Asked of the address: the /64 around ::1 is no loopback."""
    if address in ("127.0.0.1", "::1"):
        return True
    found = _parsed(address)
    return found is not None and found.is_loopback


def _parsed(address: str) -> Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
