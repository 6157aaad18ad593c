"""A vendor's snippet, and the form of it that waits for consent. Pure: nothing is run, and nothing is asked for.

    recognise('<script src="https://bat.bing.com/bat.js"></script>').gated
        -> '<script type="text/plain" data-service="uet" data-src="https://bat.bing.com/bat.js"></script>'

What can not be recognised waits for marketing; what can not be read is left out, and said (A3).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from consent import signs
from consent.catalogue import CATALOGUE
from consent.markup import (
    VOID,
    Attributes,
    Comment,
    Element,
    End,
    Start,
    Text,
    Token,
    Unreadable,
    comment,
    holds_together,
    is_sound,
    opened,
    text,
    tokens,
)
from consent.signs import Found, Own

LONGEST: Final = 100_000  # characters

_RUNS: Final = frozenset({"", "text/javascript", "application/javascript", "application/ecmascript", "text/ecmascript",
                          "application/x-javascript", "text/jscript", "text/plain"})
_DATA: Final = frozenset({"application/json", "application/ld+json", "importmap"})
_OURS: Final = frozenset({
    "data-service", "data-category", "data-needs", "data-type", "data-src", "data-srcset", "data-href",
})
_ASKS_BEFORE: Final = frozenset({"preload", "prefetch", "modulepreload", "dns-prefetch", "preconnect", "prerender"})
_ASKS_NOTHING: Final = frozenset({
    "canonical", "alternate", "author", "license", "help", "next", "prev", "me", "search",
})
_LOADING: Final = ("src", "srcset", "data", "poster", "background", "srcdoc", "xlink:href", "code", "archive")
_LOADING_STYLE: Final = r"url\(|@import|image-set|\\"
_RUNNING_ADDRESS: Final = re.compile(r"[\x00-\x20]*javascript:", re.IGNORECASE)
# Something that the page does when it has loaded, without asking whether it has.
_LATE: Final = re.compile(
    r"DOMContentLoaded|addEventListener\(\s*[\"']load[\"']|window\s*\.\s*onload\s*=|attachEvent\(\s*[\"']onload")
_FOREIGN: Final = frozenset({"svg", "math"})  # in there other rules hold for what is a tag
_LEFT_OUT: Final = frozenset({"title", "textarea", "xmp", "noembed", "noframes", "plaintext", "base"})


class TooLong(ValueError):
    """It is no snippet: more characters than LONGEST, or more tags than markup.MOST_TAGS."""


@dataclass(frozen=True)
class Piece:
    """A part of a snippet that loads or runs something. `what`, `fate` and `reasons` are keys of snippet_words."""

    what: str
    about: str
    fate: str
    trackers: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recognised:
    """What a snippet is, and how it waits. `notes`: keys of snippet_words that concern the whole of it."""

    gated: str
    pieces: tuple[Piece, ...]
    trackers: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def strangers(self) -> tuple[str, ...]:
        """The hosts that no tracker of the catalogue has."""
        return tuple(sorted({host for piece in self.pieces if piece.fate == "gated" for host in piece.strangers}))


def recognise(source: str, own: Own = ()) -> Recognised:
    """The trackers of a snippet and the form of it that waits; `own` are the site's own trackers. Raises TooLong."""
    if len(source) > LONGEST:
        raise TooLong
    try:
        read = tokens(source.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""))
    except Unreadable as error:
        raise TooLong from error
    gate = _Gate(own, _beside(read, own))
    gate.take_all(read)
    pieces = tuple(gate.pieces)
    trackers = tuple(dict.fromkeys(tracker for piece in pieces for tracker in piece.trackers))
    return Recognised("".join(gate.out).strip(), pieces, trackers, tuple(_notes(pieces, trackers)))


def _beside(read: Sequence[Token], own: Own) -> frozenset[str]:
    """All trackers of the snippet that are known by themselves: code that several share goes with these."""
    found = Found()
    for token in read:
        if isinstance(token, Element) and token.tag == "script":
            found |= _of_script(token, own)
    return found.trackers & signs.SHARED


def _of_script(script: Element, own: Own) -> Found:
    address = _address(script.attributes)
    return signs.in_address(address, own) if address else signs.in_code(script.inside, own)


def _address(attributes: Attributes) -> str:
    return attributes.get("src") or attributes.get("data-src") or ""


def _notes(pieces: Sequence[Piece], trackers: Sequence[str]) -> Iterator[str]:
    if not any(piece.fate == "gated" for piece in pieces):
        yield "nothing"
    else:
        yield "replace"
    if "gtm" in trackers:
        yield "container"
    if any(CATALOGUE[tracker]["embed"] for tracker in trackers if tracker in CATALOGUE):
        yield "embed"
    if any(piece.fate == "gated" and (not piece.trackers or piece.strangers) for piece in pieces):
        yield "unknown"


@dataclass
class _Gate:
    """Writes a snippet anew, part by part."""

    own: Own
    beside: frozenset[str]
    out: list[str] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    open: list[tuple[str, bool]] = field(default_factory=list)  # tags, and whether a template is around them
    foreign: list[str] = field(default_factory=list)  # svg and math that we are in

    def take_all(self, read: Sequence[Token]) -> None:
        for token in read:
            if self.foreign:
                self._through(token)
            elif isinstance(token, Text):
                self.out.append(text(token.text))
            elif isinstance(token, Comment):
                self.out.append(comment(token.text))
            elif isinstance(token, End):
                self._end(token.tag)
            elif isinstance(token, Element):
                self._element(token)
            else:
                self._start(token)
        while self.open:
            self._end(self.open[-1][0])

    # what is made of it

    def _marks(self, found: Found) -> dict[str, str | None]:
        """The attributes by which it waits: for each of its trackers, and for marketing if anybody else is in it."""
        ids = self._ids(found)
        if not ids:
            return {"data-category": "marketing"}
        more = "marketing" if found.strangers and not self._is_marketing(ids) else None
        marks: dict[str, str | None] = {"data-service": ids[0]}
        if more or len(ids) > 1:
            marks["data-needs"] = " ".join([*ids, *([more] if more else [])])
        return marks

    def _ids(self, found: Found) -> list[str]:
        known = found.trackers | (self.beside if found.shared and not found.trackers & signs.SHARED else frozenset())
        order = [*CATALOGUE, *(str(row["id"]) for row in self.own)]
        return sorted(known, key=order.index)

    def _is_marketing(self, ids: Sequence[str]) -> bool:
        return any(id in CATALOGUE and CATALOGUE[id]["category"] == "marketing" for id in ids)

    def _told(self, what: str, about: str, found: Found, *reasons: str, fate: str = "gated") -> None:
        ids = tuple(self._ids(found))
        more = [*reasons]
        if fate == "gated":
            more += ["several"] if len(ids) > 1 else []
            more += ["stranger"] if ids and found.strangers else []
            more += [] if ids else ["shared" if found.shared else "unrecognised"]
        line = " ".join(about.split())
        self.pieces.append(Piece(what, line if len(line) <= 120 else f"{line[:119]}…", fate, ids,
                                 tuple(sorted(found.strangers)), tuple(more)))

    # what has its own end

    def _element(self, token: Element) -> None:
        if token.tag == "script":
            self._script(token)
        elif token.tag == "iframe":
            self._frame(token)
        elif token.tag == "noscript":
            self._noscript(token)
        elif token.tag == "style":
            self._style(token)
        else:
            self._told("markup", f"<{token.tag}>", Found(), "odd", fate="dropped")

    def _script(self, script: Element) -> None:
        kind = (script.attributes.get("type") or "").split(";")[0].strip().lower()
        address, found = _address(script.attributes), _of_script(script, self.own)
        about = address or script.inside
        if kind == "speculationrules":
            self._told("hint", about, found, "hint", fate="dropped")
        elif (not address or kind in _DATA) and not holds_together(script.inside, "script"):
            self._told("code", about, found, "odd", fate="dropped")
        elif kind in _DATA or (kind == "text/plain" and _waits_already(script.attributes)):
            kept = "kept_data" if kind in _DATA else "already"
            self._told("script" if address else "code", about, Found(found.trackers), kept, fate="kept")
            self.out.append(opened("script", script.attributes) + script.inside + "</script>")
        else:
            self._gate_script(script, kind, address, found)

    def _gate_script(self, script: Element, kind: str, address: str, found: Found) -> None:
        marks: dict[str, str | None] = {"type": "text/plain", **self._marks(found)}
        if kind not in _RUNS:
            marks["data-type"] = script.attributes.get("type")
        if address:
            marks["data-src"] = address
        kept = {name: value for name, value in script.attributes.items() if name not in {*_OURS, "type", "src"}}
        # Beside an address, what is inside never runs.
        self.out.append(opened("script", {**marks, **kept}) + ("" if address else script.inside) + "</script>")
        reasons = [*_of_code("" if address else script.inside), *_of_attributes(script.attributes)]
        self._told("script" if address else "code", address or script.inside, found, *reasons,
                   *([] if script.closed else ["cut"]))

    def _frame(self, frame: Element) -> None:
        address = _address(frame.attributes)
        found = signs.in_address(address, self.own) | _in_markup(frame.attributes.get("srcdoc"), self.own)
        handled = any(name.startswith("on") for name in frame.attributes)  # an empty frame loads, too
        if not handled and (_waits_already(frame.attributes) or address.startswith("about:")):
            self.out.append(opened("iframe", frame.attributes) + "</iframe>")
        elif handled or "srcdoc" in frame.attributes:
            inside = opened("iframe", frame.attributes) + "</iframe>"
            self.out.append(opened("template", self._marks(found)) + inside + "</template>")
            self._told("frame", address or "srcdoc", found)
        else:
            self.out.append(self._waiting("iframe", frame.attributes, found, src=address) + "</iframe>")
            self._told("frame", address, found)

    def _noscript(self, token: Element) -> None:
        inner = _read(token.inside)
        if all(isinstance(one, Text | Comment | End) or (isinstance(one, Start) and not _loads(one)) for one in inner):
            said = "".join(text(one.text) for one in inner if isinstance(one, Text))
            self.out.append(f"<noscript>{said}</noscript>")
        else:
            self._told("noscript", token.inside, _in_markup(token.inside, self.own), "noscript", fate="dropped")

    def _style(self, style: Element) -> None:
        found = signs.in_code(style.inside, self.own)
        if not holds_together(style.inside, "style"):
            self._told("sheet", style.inside, found, "odd", fate="dropped")
            return
        written = opened("style", style.attributes) + style.inside + "</style>"
        if re.search(_LOADING_STYLE, style.inside, re.IGNORECASE):
            written = opened("template", self._marks(found)) + written + "</template>"
            self._told("sheet", style.inside, found)
        self.out.append(written)

    # what is around others, or empty

    def _start(self, start: Start) -> None:
        if start.tag in _FOREIGN:
            self.foreign.append(start.tag)
            self._told("markup", f"<{start.tag}>", Found(), "odd", fate="dropped")
        elif not is_sound(start) or start.tag in _LEFT_OUT or _is_refresh(start):
            self._told("markup", f"<{start.tag}>", Found(), "odd", fate="dropped")
        elif start.tag == "link":
            self._link(start)
        elif start.tag == "img":
            self._image(start)
        else:
            self._around(start)

    def _around(self, start: Start) -> None:
        wrapped = _loads(start)
        if wrapped:
            found = Found()
            for value in _asking(start.attributes):
                found |= signs.in_address(value, self.own) if "//" in value[:9] else signs.in_code(value, self.own)
            self.out.append(opened("template", self._marks(found)))
            self._told("markup", f"<{start.tag}>", found, "wrapped")
        self.out.append(opened(start.tag, start.attributes))
        if start.tag not in VOID:
            self.open.append((start.tag, wrapped))
        elif wrapped:
            self.out.append("</template>")

    def _end(self, tag: str) -> None:
        if tag not in (name for name, _ in self.open):
            return
        while True:
            name, wrapped = self.open.pop()
            self.out.append(f"</{name}>" + ("</template>" if wrapped else ""))
            if name == tag:
                return

    def _through(self, token: Token) -> None:
        """Past an svg or math, with those inside."""
        if isinstance(token, Start) and token.tag in _FOREIGN:
            self.foreign.append(token.tag)
        elif isinstance(token, End) and token.tag == self.foreign[-1]:
            self.foreign.pop()

    def _link(self, link: Start) -> None:
        kinds = set((link.attributes.get("rel") or "").lower().split())
        address = link.attributes.get("href") or link.attributes.get("data-href") or ""
        found = signs.in_address(address, self.own)
        late = "stylesheet" in (link.attributes.get("onload") or "")
        if kinds & _ASKS_BEFORE and "stylesheet" not in kinds and not late:
            self._told("hint", address, found, "hint", fate="dropped")
        elif (kinds and kinds <= _ASKS_NOTHING) or _waits_already(link.attributes):
            self.out.append(opened("link", link.attributes))
        else:
            attributes = dict(link.attributes)
            if late and "preload" in kinds:
                attributes = {name: value for name, value in attributes.items() if name not in ("as", "onload")}
                attributes["rel"] = "stylesheet"
            self.out.append(self._waiting("link", attributes, found, href=address))
            self._told("sheet", address, found)

    def _image(self, image: Start) -> None:
        address = _address(image.attributes)
        several = image.attributes.get("srcset") or ""
        if _waits_already(image.attributes) or (address.lower().startswith("data:") and not several):
            self.out.append(opened("img", image.attributes))
            return
        found = signs.in_address(address, self.own) | signs.in_code(several, self.own)
        self.out.append(self._waiting("img", image.attributes, found, src=address, srcset=several))
        self._told("image", address or several, found)

    def _waiting(self, tag: str, attributes: Attributes, found: Found, **addresses: str) -> str:
        held = {f"data-{name}": value for name, value in addresses.items() if value}
        kept = {name: value for name, value in attributes.items() if name not in {*_OURS, *addresses}}
        return opened(tag, {**self._marks(found), **held, **kept})


def _waits_already(attributes: Attributes) -> bool:
    """Whether it is gated for Poort; with an address of its own it would load all the same."""
    ours = bool(attributes.get("data-service") or attributes.get("data-category"))
    return ours and not any(name in attributes for name in _LOADING) and (
        "data-src" in attributes or "data-href" in attributes or attributes.get("type") == "text/plain")


def _loads(start: Start) -> bool:
    """Whether the element itself may ask for something or run something."""
    return any(True for _ in _asking(start.attributes))


def _asking(attributes: Attributes) -> Iterator[str]:
    for name, value in attributes.items():
        said = value or ""
        styled = name == "style" and re.search(_LOADING_STYLE, said, re.IGNORECASE)
        if name in _LOADING or name.startswith("on") or styled or _RUNNING_ADDRESS.match(re.sub(r"\s", "", said)):
            yield said
    if "shadowrootmode" in attributes:
        yield ""


def _is_refresh(start: Start) -> bool:
    return start.tag == "meta" and "http-equiv" in start.attributes


def _read(source: str) -> list[Token]:
    try:
        return tokens(source)
    except Unreadable:
        return [Start("embed", {"src": ""})]  # something that loads


def _in_markup(source: str | None, own: Own) -> Found:
    """Whose the addresses in a piece of HTML are."""
    found = Found()
    for token in _read(source or ""):
        if isinstance(token, Start | Element):
            for name in (*_LOADING, "href"):
                found |= signs.in_address(token.attributes.get(name) or "", own)
    return found


def _of_code(code: str) -> Iterator[str]:
    """What does not work as it did once the code waits."""
    if re.search(r"document\s*\.\s*write", code):
        yield "write"
    if "readyState" not in code and _LATE.search(code):
        yield "late"
    if re.search(r"gtag\(\s*[\"']consent[\"']", code):
        yield "consent_mode"


def _of_attributes(attributes: Attributes) -> Iterator[str]:
    if "onload" in attributes or "onerror" in attributes:
        yield "handler"

