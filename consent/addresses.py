"""The address that a limit counts by. It lives in memory for as long as the limit looks back, and nowhere else."""

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(address: str) -> Network | None:
    """The caller's network: an IPv4 address, or the /64 that one IPv6 subscriber has. None when it is no address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    return ipaddress.ip_network((found, 32 if found.version == 4 else 64), strict=False)
