"""A vendor's snippet, recognised and gated: every tracker of the catalogue, and what was made to get past it."""

import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from consent import signs, snippet_words, snippets
from consent.catalogue import CATALOGUE
from consent.snippets import Recognised, recognise
from tests.conftest import KEY, close

SNIPPETS = {file.stem: file.read_text(encoding="utf-8") for file in (Path(__file__).parent / "snippets").glob("*.html")}
WITH = {"sentry_replay": {"sentry"}}  # a snippet that loads another tracker as well
INERT = ("text/plain", "application/json", "application/ld+json", "importmap")
LOADS = ("src", "srcset", "href", "data", "poster", "srcdoc", "style")


class Leaks(HTMLParser):
    """What a browser would load or run of a piece of HTML, outside of templates; written apart from what it judges."""

    CDATA_CONTENT_ELEMENTS = (  # type: ignore[misc]  # the parser reads it from the class
        "script", "style", "noscript", "iframe", "textarea", "title", "xmp",
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.inert = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inert += tag == "template"
        if tag == "script":
            self.scripts.append((given, ""))
        if self.inert:
            return
        loading = [name for name in LOADS if name in given and (tag, name) not in {("a", "href"), ("area", "href")}
                   and (name != "style" or "url(" in str(given[name])) and not str(given[name]).startswith("data:")]
        handlers = [name for name in given if name.startswith("on") and tag not in ("script", "link", "img")]
        runs = tag == "script" and given.get("type") not in INERT
        if loading or handlers or runs or tag in ("object", "embed", "base", "svg", "math", "noscript"):
            self.found.append(f"{tag} {loading or handlers}")
        if any(str(value).strip().lower().startswith("javascript:") for value in given.values()):
            self.found.append(f"{tag} javascript:")

    def handle_endtag(self, tag: str) -> None:
        self.inert -= tag == "template"

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            given, code = self.scripts[-1]
            self.scripts[-1] = (given, code + data)


def leaks(gated: str) -> list[str]:
    reader = Leaks()
    reader.feed(gated)
    reader.close()
    return reader.found


def codes(html: str) -> list[str]:
    """The code of its scripts."""
    reader = Leaks()
    reader.feed(html)
    reader.close()
    return [code for given, code in reader.scripts if code.strip()]


# The catalogue's ----------------------------------------------------------------------------------------------------


def test_there_is_a_snippet_of_every_tracker_in_the_catalogue() -> None:
    assert set(SNIPPETS) == set(CATALOGUE)
    assert signs.check() == []


@pytest.mark.parametrize("tracker", sorted(SNIPPETS))
def test_the_snippet_of_a_tracker_is_recognised_and_waits_whole(tracker: str) -> None:
    """Exactly that tracker; nothing loads by itself, and every line of its code is still there, as it was (A2)."""
    found = recognise(SNIPPETS[tracker])
    assert set(found.trackers) == {tracker} | WITH.get(tracker, set())
    assert found.strangers == ()
    assert "unknown" not in found.notes
    assert all(piece.trackers for piece in found.pieces)
    assert leaks(found.gated) == []
    assert codes(found.gated) == codes(SNIPPETS[tracker])
    assert any(f'data-service="{one}"' in found.gated for one in found.trackers)
    again = recognise(found.gated)
    assert again.gated == found.gated, "what waits already is left as it is"
    assert not [piece for piece in again.pieces if piece.fate == "dropped"]


def said(found: Recognised) -> set[str]:
    """What is said of all its parts and of the whole."""
    return {reason for piece in found.pieces for reason in piece.reasons} | set(found.notes)


def test_what_is_said_has_words() -> None:
    for snippet in SNIPPETS.values():
        found = recognise(snippet)
        assert said(found) <= set(snippet_words.REASONS)
        assert {piece.what for piece in found.pieces} <= set(snippet_words.WHAT)
        assert {piece.fate for piece in found.pieces} <= set(snippet_words.FATES)


# Forms --------------------------------------------------------------------------------------------------------------

HOTJAR = "https://static.hotjar.com/c/hotjar-1.js"
FORMS = {
    "attributes stay, the type goes": (
        '<script type="text/javascript" async crossorigin="anonymous" integrity="sha384-A" nonce="n" id="x" '
        f'src="{HOTJAR}"></script>',
        '<script type="text/plain" data-service="hotjar" '
        f'data-src="{HOTJAR}" async crossorigin="anonymous" integrity="sha384-A" nonce="n" id="x"></script>'),
    "a module says so in data-type": (
        f"<script type=module src={HOTJAR}></script>",
        f'<script type="text/plain" data-service="hotjar" data-type="module" data-src="{HOTJAR}"></script>'),
    "code stays byte by byte": (
        "<script>hj('event', \"a\\n\" + `<b>&amp;${1 < 2}`);\t</script>",
        '<script type="text/plain" data-service="hotjar">hj(\'event\', "a\\n" + `<b>&amp;${1 < 2}`);\t</script>'),
    "a frame keeps its size": (
        '<iframe src="//www.youtube.com/embed/a" width=560 height=315 title="A film"></iframe>',
        '<iframe data-service="youtube" data-src="//www.youtube.com/embed/a" width="560" height="315" title="A film">'
        "</iframe>"),
    "an image with two addresses": (
        '<img src="https://px.ads.linkedin.com/a" srcset="https://px.ads.linkedin.com/b 2x" alt="">',
        '<img data-service="linkedin" data-src="https://px.ads.linkedin.com/a" '
        'data-srcset="https://px.ads.linkedin.com/b 2x" alt="">'),
    "a style sheet that comes late by a preload": (
        '<link rel="preload" as="style" href="https://fonts.googleapis.com/css2?family=A" '
        "onload=\"this.rel='stylesheet'\">",
        '<link data-service="gfonts" data-href="https://fonts.googleapis.com/css2?family=A" rel="stylesheet">'),
    "an address in three lines": (
        '<script src="\nhttps://static.hot\njar.com/c/1.js"></script>',
        '<script type="text/plain" data-service="hotjar" data-src="\nhttps://static.hot\njar.com/c/1.js"></script>'),
    "one tag of Google's for three products": (
        '<script async src="https://www.googletagmanager.com/gtag/js?id=GT-ABCDEF"></script>',
        '<script type="text/plain" data-service="ga4" data-needs="ga4 gads dclk" '
        'data-src="https://www.googletagmanager.com/gtag/js?id=GT-ABCDEF" async></script>'),
    "nobody knows it": (
        '<script src="https://cdn.stranger.example/t.js"></script>',
        '<script type="text/plain" data-category="marketing" data-src="https://cdn.stranger.example/t.js"></script>'),
    "a stranger beside a known one": (
        "<script>hj('x'); fetch('https://stranger.example/')</script>",
        '<script type="text/plain" data-service="hotjar" data-needs="hotjar marketing">'
        "hj('x'); fetch('https://stranger.example/')</script>"),
    "of another platform": (
        f'<script type="text/plain" data-cookieconsent="statistics" data-src="{HOTJAR}"></script>',
        '<script type="text/plain" data-service="hotjar" '
        f'data-src="{HOTJAR}" data-cookieconsent="statistics"></script>'),
    "a lie about waiting": (
        f'<script data-service="saber" src="{HOTJAR}"></script>',
        f'<script type="text/plain" data-service="hotjar" data-src="{HOTJAR}"></script>'),
    "data": (
        '<script type="application/ld+json">{"@context": "https://schema.org"}</script>',
        '<script type="application/ld+json">{"@context": "https://schema.org"}</script>'),
    "a button with code in it": (
        '<button onclick="Calendly.initPopupWidget({})">Plan &amp; meet</button>',
        '<template data-service="calendly"><button onclick="Calendly.initPopupWidget({})">Plan &amp; meet</button>'
        "</template>"),
    "plain markup": ('<div class="widget" data-id="4">Hello <b>you</b></div><!-- end -->',
                     '<div class="widget" data-id="4">Hello <b>you</b></div><!-- end -->'),
}


@pytest.mark.parametrize("case", FORMS)
def test_the_form_that_waits(case: str) -> None:
    source, gated = FORMS[case]
    assert recognise(source).gated == gated


REASONS = {
    "noscript": ('<noscript><img src="https://www.facebook.com/tr?id=1"></noscript>', {"noscript", "nothing"}),
    "hint": ('<link rel="dns-prefetch" href="//static.hotjar.com">', {"hint", "nothing"}),
    "write": ("<script>document.write('<script src=\"//bat.bing.com/bat.js\"><\\/script>')</script>",
              {"write", "replace"}),
    "late": ("<script>document.addEventListener('DOMContentLoaded', function () { fbq('track', 'x') })</script>",
             {"late", "replace"}),
    "consent mode": ("<script>gtag('consent', 'default', {}); gtag('config', 'G-ABCDEF')</script>",
                     {"consent_mode", "replace"}),
    "no number": ("<script>gtag('event', 'x')</script>", {"shared", "replace", "unknown"}),
    "handler": (f'<script src="{HOTJAR}" onload="go()"></script>', {"handler", "replace"}),
    "no end": ("<script>hj('x')", {"cut", "replace"}),
    "unknown": ("<script>var a = 1;</script>", {"unrecognised", "replace", "unknown"}),
    "nothing": ("<p>Hello</p>", {"nothing"}),
    "empty": ("", {"nothing"}),
}


@pytest.mark.parametrize("case", REASONS)
def test_it_says_what_remains_to_be_done(case: str) -> None:
    source, reasons = REASONS[case]
    assert said(recognise(source)) == reasons


def test_code_that_several_share_goes_with_what_stands_beside_it() -> None:
    """gtag('event') tells nothing by itself; beside the tag of Google Ads it is for Google Ads."""
    gads = '<script src="https://www.googletagmanager.com/gtag/js?id=AW-42424242"></script>'
    assert recognise(gads + "<script>gtag('event', 'x')</script>").pieces[-1].trackers == ("gads",)


def test_the_trackers_of_one_page_are_told_apart() -> None:
    found = recognise("".join(SNIPPETS[id] for id in ("hotjar", "meta", "youtube", "uet")))
    assert found.trackers == ("hotjar", "meta", "youtube", "uet")
    assert leaks(found.gated) == []


def test_a_sites_own_tracker_is_recognised_by_its_hosts() -> None:
    own = [{"id": "own-stats", "hosts": ["stats.shop.example"], "paths": []}]
    found = recognise('<script src="https://stats.shop.example/a.js"></script>', own)
    assert (found.trackers, found.strangers) == (("own-stats",), ())


CODES = {
    "in a comment": ("// https://static.hotjar.com\n/* fbq('x') */ var a;", set()),
    "escaped slashes": (r'var u = "https:\/\/static.hotjar.com\/c\/1.js"', {"hotjar"}),
    "in pieces": ("'https://' + 'static.hotjar.com' + '/c/1.js'", {"hotjar"}),
    "an old form, with the protocol apart": ("(s ? 'https://ssl' : 'http://www') + '.google-analytics.com/ga.js'",
                                             {"ga4"}),
    "behind a sign in a regular expression": ("""a.replace(/'/g, "").x; s.src = 'https://static.hotjar.com/1.js'""",
                                              {"hotjar"}),
    "a longer name": ("myfbq('x'); fbqs('x'); a.$fbq", set()),
    "a name in a text": ('"fbq is a name"', set()),
    "a property of the window": ("window.fbq('x')", {"meta"}),
}


@pytest.mark.parametrize("case", CODES)
def test_what_code_gives_away(case: str) -> None:
    code, trackers = CODES[case]
    assert signs.in_code(code).trackers == trackers


# Made to get past it ------------------------------------------------------------------------------------------------

EVIL = "https://evil.example/x"
HOSTILE = {
    "an end tag in a text": f"<script>var a = '</script><img src={EVIL}>'</script>",
    "an end tag with more in it": f"<script>1</script foo><img src={EVIL}>",
    "an end tag with a blank": f"<script>1</ script><img src={EVIL}></script>",
    "a script in a comment in a script": f"<script><!--<script></script><img src={EVIL}>--></script>",
    "a comment that ends at once": f"<!--><img src={EVIL}>-->",
    "a comment that ends with an exclamation": f"<!-- --!><img src={EVIL}> -->",
    "a comment with an end in it": f"<!-- a --><img src={EVIL}><!-- -->",
    "a text field around a script": f"<textarea><script>'</textarea><img src={EVIL}>'</script>",
    "a title in an attribute": f'<a title="</title><img src={EVIL}>"><title>',
    "a style sheet": f"<style>@import '{EVIL}';</style>",
    "a style sheet with an end in it": f"<style>a{{content:'</style><img src={EVIL}>'}}</style>",
    "an attribute's style": f'<div style="background:url({EVIL})">',
    "svg": f"<svg><image href='{EVIL}'/><script href='{EVIL}'/></svg><svg onload=alert(1)>",
    "svg with a style sheet": f"<svg><style><img src={EVIL} onerror=alert(1)></style></svg>",
    "math": f"<math><mtext><table><mglyph><style><img src={EVIL}></style></math>",
    "a frame with its own text": f"<iframe srcdoc='<img src={EVIL}>'></iframe>",
    "an empty frame with a handler": "<iframe onload=alert(1)></iframe><iframe src='about:blank' onload=a()></iframe>",
    "an end of a template": f"<div onclick=a()></template><img src={EVIL}></div>",
    "an element of no shape": f"<a'\"><x:y onload=a() src={EVIL}><1><img/src={EVIL}><img\nsrc={EVIL}>",
    "attributes without blanks": f'<img alt="a"src={EVIL} onerror=alert(1)>',
    "the attribute twice": f"<img src='data:,' src={EVIL}>",
    "objects": f"<object data={EVIL}><embed src={EVIL}></object><video poster={EVIL}><source src={EVIL}></video>",
    "a form's image": f"<input type=image src={EVIL}>",
    "a base, and a refresh": f"<base href={EVIL}><meta http-equiv=refresh content='0;url={EVIL}'>",
    "a link's protocol": "<a href=' j\navascript:alert(1)'>a</a>",
    "handlers": "<body onload=alert(1)><details ontoggle=alert(1) open><input autofocus onfocus=alert(1)>",
    "a template that is none": f"<div><template shadowrootmode=open><img src={EVIL}></template></div>",
    "a noscript with an end in it": f"<noscript><style></noscript><img src={EVIL}></style>",
    "a noscript that never ends": f"<noscript><p><img src={EVIL}>",
    "rules to fetch ahead": f'<script type=speculationrules>{{"prefetch":[{{"urls":["{EVIL}"]}}]}}</script>',
    "an import map, and a type with a blank":
        f"<script type=importmap>{{}}</script><script type='text/javascript '>{EVIL}</script>",
    "data with an end in it": f"<script type='application/json'>\"<!--<script>\"</script><img src={EVIL}></script>",
    "plaintext": f"<plaintext><img src={EVIL}>",
    "half a tag": f"<img src={EVIL}",
    "half a tag and its end": f"<img src={EVIL} <img src={EVIL}>",
    "a declaration":
        f"<!DOCTYPE html [<!ENTITY a '<img src={EVIL}>'>]><?php <img src={EVIL}> ?><![CDATA[<img src={EVIL}>]]>",
    "a nul": f"<img\0 src={EVIL}><scr\0ipt src={EVIL}></script>",
    "entities": f"<img src=&#104;ttps://evil.example/x alt='&lt;img src={EVIL}&gt;'>&lt;img src={EVIL}&gt;",
    "a select": f"<select><iframe src={EVIL}></select><option><script src={EVIL}></script>",
    "a script that waits, and does not": f"<script type=text/plain data-service=hotjar src={EVIL}></script>"
                                         f"<img data-service=hotjar data-src=a src={EVIL}>",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_gets_past_it(case: str) -> None:
    """A3: what can not be read safely is left out or stands as text; a second reading finds nothing more."""
    found = recognise(HOSTILE[case])
    assert leaks(found.gated) == []
    assert leaks(recognise(found.gated).gated) == []


@pytest.mark.parametrize("source", [
    "<" * 99_000, "<a " * 33_000, "<!--" * 24_000, "<script>" * 12_000, "</a" * 33_000, "<a x='" * 16_000 + ">",
    '<a x="' * 10_000 + "'>" * 10_000, "<!" * 49_000 + ">", "<?" * 49_000 + ">", "&" * 99_000,
    "<script>" + "'\\" * 40_000 + "</script>", "<script>" + "`\\`" * 30_000, "<script>" + "/*" * 40_000,
    "<script>'" + "a." * 45_000 + "'</script>", "<script>'" + "//a" * 30_000 + "'</script>", "<svg>" * 20_000,
    "<p>" * 33_000, "<script>" + "<!--" * 20_000 + "</script>", "<style>" + "</styl" * 15_000, "a" * 1_000_000,
    "<div onclick=a>" * 1_400, "<script>" + "gtag " * 19_000 + "</script>",
])
def test_it_never_takes_long(source: str) -> None:
    started = time.process_time()
    try:
        assert leaks(recognise(source).gated) == []
    except snippets.TooLong:
        assert len(source) > 10_000
    assert time.process_time() - started < 2


# The command --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application whose database was never made: the command needs none."""
    made = create_app(POORT_DATABASE_URL=f"sqlite:///{tmp_path_factory.mktemp('none')}/none", POORT_SECRET_KEYS=KEY)
    yield made
    close(made)


def test_the_command_prints_the_form_and_says_the_rest_beside_it(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "snippet.html"
    file.write_text(SNIPPETS["meta"])
    run = app.test_cli_runner().invoke
    done = run(args=["catalogue", "recognise", str(file)])
    assert done.exit_code == 0
    assert done.stdout.strip() == recognise(SNIPPETS["meta"]).gated
    assert "meta, waits" in done.stderr
    assert "take the old one off every page" in done.stderr
    done = run(args=["catalogue", "recognise", "-", "--json"], input="<script src=//a.example/x></script>")
    data = json.loads(done.stdout)
    assert (data["trackers"], data["strangers"]) == ([], ["a.example"])


@pytest.mark.parametrize(("given", "status", "message"), [
    ("<script src=//a.example/x></script>", 1, "Find out whose the unknown part is"),
    ("a" * 100_001, 2, "100000 characters at most"),
    ("\x1b[31m<script>\x1b]0;a</script>", 1, r"\x1b]0;a"),
])
def test_the_command_tells_by_its_status(app: Flask, given: str, status: int, message: str) -> None:
    done = app.test_cli_runner().invoke(args=["catalogue", "recognise", "-"], input=given)
    assert done.exit_code == status
    assert message in done.stderr
    assert not re.search(r"\x1b", done.stderr)
