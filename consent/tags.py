"""What an owner puts on their pages, and where: the tag in every form that it has."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from consent import banners
from consent.sites import Site, snippet

TEMPLATE: Final = Path(__file__).resolve().parent.parent / "deploy" / "gtm" / "template.tpl"
DAY: Final = 86_400  # seconds


@cache
def integrity() -> str:
    """The hash of `/banner/v1/poort.js` as a browser checks it (SRI)."""
    digest = hashlib.sha384(banners.script_without_site()).digest()
    return f"sha384-{base64.b64encode(digest).decode()}"


def pinned(site: Site, public_url: str) -> str:
    """The script without a site, which the browser refuses when it is not the very one that was looked at."""
    return (
        f'<script async src="{public_url}/banner/v1/poort.js" data-site="{site.key}"\n'
        f'  integrity="{integrity()}" crossorigin="anonymous"></script>'
    )


def wordpress(site: Site, public_url: str) -> str:
    """A small plugin, for wp-content/mu-plugins/poort.php."""
    return (
        "<?php\n"
        "/* Plugin Name: Poort */\n"
        "add_action('wp_head', function () {\n"
        f"    echo '{snippet(site, public_url)}', \"\\n\";\n"
        "}, -1000);"
    )


def nginx(site: Site, public_url: str) -> str:
    """For the `location` of the site: the tag is put into every page that passes."""
    return (
        "# sub_filter reads only what is not compressed\n"
        'proxy_set_header Accept-Encoding "";\n'
        "sub_filter_once on;\n"
        f"sub_filter '</head>' '{snippet(site, public_url)}</head>';"
    )


def durable(public_url: str) -> str:
    """Behind the tag: has the site's own server set the cookie anew (F5)."""
    return f'<script async src="{public_url}/banner/v1/durable.js" data-keep="/poort/keep"></script>'


def keeper(site: Site) -> tuple[str, str]:
    """What of nginx's configuration sets the cookie anew: for `http`, and for the `server`; docs/durable.md."""
    seconds = max(site.draft["consent_days"], site.draft["refusal_days"]) * DAY
    domain = f"Domain={site.draft['cookie_domain']}; " if site.draft["cookie_domain"] else ""
    in_http = (
        "map $http_cookie $poort_twice {\n"
        '    default "";\n'
        '    "~(?:^|;) *poort=.*; *poort=" twice;\n'
        "}\n"
        'map "$poort_twice:$cookie_poort" $poort_kept {\n'
        '    default "";\n'
        '    "~^:(?<poort_token>[A-Za-z0-9_-]{80,4000}\\.[A-Za-z0-9_-]{43})$"'
        f' "poort=$poort_token; Max-Age={seconds}; Path=/; {domain}Secure; SameSite=Lax";\n'
        "}"
    )
    in_server = (
        "location = /poort/keep {\n"
        "    add_header Cache-Control no-store always;\n"
        "    add_header Set-Cookie $poort_kept always;\n"
        "    return 204;\n"
        "}"
    )
    return in_http, in_server
