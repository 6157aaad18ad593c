"""How many bytes a visitor loads: the script with its CSS and a site of eight trackers, `python -m bench.size`.

Ends non-zero when it is more than LIMIT, so that `make test` notices.
"""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import brotli

from consent import banners, sites, versions
from consent.gate import CATEGORIES
from tests.shop import DEFINITION

LIMIT = 10_000  # bytes, brotli
EIGHT = ("ga4", "hotjar", "meta", "linkedin", "uet", "gads", "intercom", "calendly")


# One other title and place, against the banner as it is.
EXPERIMENT = {"id": "summer", "goal": "analytics", "variants": [{"id": "a"}, {
    "id": "b", "texts": {"nl": {"title": "Mag {controller} meekijken?"}}, "look": {"position": "center"}}]}


def site(languages: list[str], signals: bool = True, **more: Any) -> versions.Published:
    """A published site with eight trackers of the catalogue; without `signals` no vendor is told anything. `more`: what
    only some sites have in their definition.
    """
    trackers = [{"id": name} for name in EIGHT]
    definition = sites.parse_definition({**DEFINITION, "trackers": trackers, "languages": languages, **more})
    snapshot = versions.freeze(definition)
    for row in snapshot["trackers"]:
        row["signal"] = row["signal"] if signals else None
    since = {"trackers": dict.fromkeys(EIGHT, 1), "categories": dict.fromkeys(CATEGORIES, 1)}
    row = versions.Version(
        site="shop", number=1, digest="0" * 64, snapshot=json.dumps(snapshot), since=since, script_digest="",
        published_at=datetime(2026, 11, 22, tzinfo=UTC))
    return versions.published(row)


def weights(content: bytes) -> tuple[int, int, int]:
    """Plain, gzip and brotli."""
    return len(content), len(gzip.compress(content, 9)), len(brotli.compress(content, quality=11))


def measure() -> dict[str, tuple[int, int, int]]:
    """By name."""
    both, dutch = banners.script_for(site(["nl", "en"])), banners.script_for(site(["nl"]))
    tried = banners.script_for(site(["nl", "en"], experiment=EXPERIMENT))
    counted = banners.script_for(site(["nl", "en"], count_visits=True))
    bare, quiet = banners.script_for(site(["nl", "en"], signals=False)), banners.script_of("null", [])
    return {
        "JS and CSS": weights(quiet),
        "baked config, nl and en": _more(bare, quiet),
        "telling the vendors": _more(both, bare),
        "together, nl and en": weights(both),
        "together, nl alone": weights(dutch),
        "more with an experiment": _more(tried, both),
        "more with counted visits": _more(counted, both),
        "for data-site, without config": weights(banners.script_without_site()),
    }


def _more(content: bytes, than: bytes) -> tuple[int, int, int]:
    one, two, three = (a - b for a, b in zip(weights(content), weights(than), strict=True))
    return one, two, three


def main() -> None:
    """Print, and fail over the limit."""
    found = measure()
    print(f"{'bytes':32}{'plain':>9}{'gzip':>9}{'brotli':>9}")
    for name, numbers in found.items():
        print(f"{name:32}" + "".join(f"{number:>9,}" for number in numbers))
    most = found["together, nl and en"][2]
    print(f"a site of eight trackers: {most:,} bytes brotli, at most {LIMIT:,} wanted")
    if most > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
