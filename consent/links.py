"""Which host and path a browser asks for, by an address as it stands in a page. Needs nothing else."""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote, urljoin

_ABSOLUTE: Final = re.compile(r"(?is)(?:https?:/*|//+)([^/?#]*)([^#]*)")
_SCHEME: Final = re.compile(r"(?i)[a-z][a-z0-9+.-]*:")
_AROUND: Final = "".join(map(chr, range(33)))


def target(address: str, here: str, path: str = "/") -> tuple[str, str]:
    """The host, and the path with its query, that an address means in a page at `path` of the host `here`.

    Reads what browsers read: upper case, backslashes, user names, ports, escapes, dots. ("", "") asks for no host.
    """
    plain = re.sub(r"[\t\n\r]", "", address.strip(_AROUND)).replace("\\", "/")
    if absolute := _ABSOLUTE.match(plain):
        return host_of(absolute[1]), _path("/", absolute[2])
    if _SCHEME.match(plain):
        return "", ""
    own = plain.partition("#")[0]
    return here, _path(path, own or path)


def host_of(authority: str) -> str:
    """The host in `user@WWW.Shop.example.:443`, in lower case; an address of IPv6 stays in its brackets."""
    named = unquote(authority.rpartition("@")[2])
    host = f"{named.partition(']')[0]}]" if named.startswith("[") else named.partition(":")[0]
    return unicodedata.normalize("NFKC", host).lower().rstrip(".")


def _path(base: str, path: str) -> str:
    """Resolved against where the page is: without `.` and `..`, and unescaped."""
    if path.startswith("//"):
        return unquote(path)
    return unquote(urljoin(f"http://x/{base.lstrip('/')}", path or "/").removeprefix("http://x"))
