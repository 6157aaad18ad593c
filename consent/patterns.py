"""How a tracker's hosts, paths, cookies and storage keys are written down, and what such a pattern means. Pure."""

from typing import Final

HOST: Final = r"(?=[^/]{1,253}(?:/|\Z))(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])"
NUMBER: Final = r"[1-9][0-9]{0,3}"
DURATION: Final = (
    rf"session|persistent|P(?=[0-9T])(?:{NUMBER}Y)?(?:{NUMBER}M)?(?:{NUMBER}W)?(?:{NUMBER}D)?"
    rf"(?:T(?=[0-9])(?:{NUMBER}H)?(?:{NUMBER}M)?(?:{NUMBER}S)?)?"
)


def matches(pattern: str, name: str) -> bool:
    """Whether a cookie or storage key is meant: the exact name, or `*` at the end for the rest of it."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def meet(one: str, other: str) -> bool:
    """Whether some name fits both patterns."""
    return matches(one, other.removesuffix("*")) or matches(other, one.removesuffix("*"))


def in_domain(host: str, domain: str) -> bool:
    """Whether the host is the domain or lies under it."""
    return host == domain or host.endswith(f".{domain}")


def on_host(pattern: str, host: str) -> bool:
    """As in a content security policy: *.shop.example does not mean shop.example itself."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def on_path(pattern: str, host: str, path: str) -> bool:
    """/tr means /tr, /tr/ and /tr?id=1, not /travel; a prefix that ends in a sign goes on freely."""
    theirs, _, prefix = pattern.partition("/")
    if host != theirs or not path.startswith(f"/{prefix}"):
        return False
    rest = path[len(prefix) + 1:]
    return not prefix[-1].isalnum() or not rest or rest[0] in "/?&#;"


def overlap(one: str, other: str) -> bool:
    """Whether some host is meant by both patterns."""
    return on_host(one, other.replace("*", "any")) or on_host(other, one.replace("*", "any"))
