"""The address that a limit counts by. It lives in memory for as long as the limit looks back, and nowhere else."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Inside one's own walls. Not `is_private`, which has much more, as the addresses that documentation uses.
_INSIDE = tuple(map(ipaddress.ip_network, (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16",
    "fc00::/7", "fe80::/10", "::1/128",
)))


def network(address: str) -> Network | None:
    """The caller's network: an IPv4 address, or the /64 that one IPv6 subscriber has. None when it is no address."""
    found = _parsed(address)
    if found is None:
        return None
    return ipaddress.ip_network((found, 32 if found.version == 4 else 64), strict=False)


def neighbourhood(address: str) -> bytes | None:
    """The first bytes that the addresses of one network share: three of IPv4 (/24), six of IPv6 (/48).

    None for the machine's own network, where a proxy may ask for everybody, and for what is no address.
    """
    found = _parsed(address)
    if found is None or any(found in inside for inside in _INSIDE):
        return None
    return found.packed[:3 if found.version == 4 else 6]


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
