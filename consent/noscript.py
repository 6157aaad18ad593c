"""Takes out of `<noscript>` what would load a refused tracker in a browser without script. Needs nothing else.

    page = Filter(lambda url: "facebook.com" not in url)
    sent = page.feed(b'<p>Hi<noscript><img src="https://www.facebook.com/tr?id=1"></noscript>') + page.close()

Works on bytes as they come, in any encoding in which ASCII is itself. Outside of what is taken out every byte stays.
Only real `<noscript>` elements are looked into: not comments, scripts, text fields or attributes that speak of one.
"""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Final

LONGEST_TAG: Final = 131_072  # bytes; longer it is taken for text
LONGEST: Final = 262_144  # bytes of one noscript that are looked at together

Keeps = Callable[[str], bool]

# An attribute as browsers read it: quotes mean something behind `=` alone. Nothing here is tried twice.
_VALUE = rb"\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+|(?=>)"
_ATTRIBUTE = rb"[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:" + _VALUE + rb")|(?!\s*+=))"
_ATTRIBUTES = rb"(?:[\s/]++|" + _ATTRIBUTE + rb")*+"
_LOOSE_TAG: Final = re.compile(rb"</?([a-zA-Z][^\s/>]*+)(" + _ATTRIBUTES + rb")(?:>|\Z)")
_PAIR: Final = re.compile(rb"([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(" + _VALUE + rb"))?")

# What these hold is text: a noscript in there is none.
_TEXTS: Final = (b"script", b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes")
_OPENS: Final = re.compile(rb"(?i)<(noscript|" + b"|".join(_TEXTS) + rb")(?=[\s/>])" + _ATTRIBUTES + rb">")
# Everything else, up to what opens one of them, to a comment, or to something that is not all there yet.
_REST: Final = re.compile(
    rb"(?i)(?:[^<]++|<(?![!/a-z]|\Z)|<!(?!-|\Z)|<!-(?!-|\Z)|</(?![a-z]|\Z)"
    rb"|<(?!(?:noscript|" + b"|".join(_TEXTS) + rb")[\s/>])/?[a-z][^\s/>]*+" + _ATTRIBUTES + rb">)++"
)
_COMMENT_ENDS: Final = re.compile(rb"--!?>")
_COMMENT_BEGINS: Final = re.compile(rb"<!--(-?>)?")
_ENDS: Final = {name: re.compile(rb"(?i)(?=</" + name + rb"[\s/>])") for name in _TEXTS}
_LONGEST_END: Final = len("</textarea>")
_NOSCRIPT_ENDS: Final = re.compile(rb"(?i)</noscript[\s/>]")

_BEGINS: Final = re.compile(rb"<(?=[a-zA-Z]|!--)")
_CLOSED_WITH: Final = {name: re.compile(rb"(?i)</" + name + rb"[\s/]*+>") for name in (b"iframe", b"script", b"style")}
_ADDRESSES: Final = frozenset({"src", "href", "data", "poster", "background", "xlink:href", "code", "archive"})
_TEXTS_WITH_ADDRESSES: Final = frozenset({"srcset", "imagesrcset", "style", "content", "srcdoc"})
_ADDRESS: Final = re.compile(r"(?i)(?:https?:)?[/\\]{2}[^\s\"'()<>]+")


class Filter:
    """One page, in pieces of any size."""

    def __init__(self, keeps: Keeps) -> None:
        """`keeps` is asked for every address, its entities resolved, whether it may be loaded."""
        self._keeps = keeps
        self._held, self._at = b"", 0  # what can not be judged yet, and how far it was
        self._ends: re.Pattern[bytes] | None = None  # of the text that we are in
        self._inside = False  # a noscript

    def feed(self, piece: bytes) -> bytes:
        """The next piece; gives back what is settled."""
        self._held += piece
        return self._settled(last=False)

    def close(self) -> bytes:
        """The page is over; gives back what was held."""
        return self._settled(last=True)

    def _settled(self, last: bool) -> bytes:
        done: list[bytes] = []
        while self._at < len(self._held):
            step = self._noscript if self._inside else self._text if self._ends else self._markup
            found = step(last)
            if found is None:
                break
            done.append(found)
        self._held, self._at = self._held[self._at :], 0
        return b"".join(done)

    def _take(self, end: int) -> bytes:
        taken, self._at = self._held[self._at : end], end
        return taken

    # -- outside ------------------------------------------------------------------------------------------------------

    def _markup(self, last: bool) -> bytes | None:
        """Up to what opens a text, a comment or a noscript, or with it; None: more is needed."""
        if rest := _REST.match(self._held, self._at):
            return self._take(rest.end())
        if tag := _OPENS.match(self._held, self._at):
            self._inside = tag[1].lower() == b"noscript"
            self._ends = None if self._inside else _ENDS[tag[1].lower()]
            return self._take(tag.end())
        if (comment := _COMMENT_BEGINS.match(self._held, self._at)) and (last or len(self._held) - self._at > 5):
            self._ends = None if comment[1] else _COMMENT_ENDS
            return self._take(comment.end())
        if last or len(self._held) - self._at > LONGEST_TAG:  # this `<` begins nothing
            return self._take(self._at + 1)
        return None

    def _text(self, last: bool) -> bytes | None:
        """What is inside of a comment or a script: as it is, up to its end."""
        if self._ends and (end := self._ends.search(self._held, self._at)):
            self._ends = None
            return self._take(end.end())
        settled = len(self._held) - (0 if last else _LONGEST_END)
        return self._take(settled) if settled > self._at else None

    # -- inside -------------------------------------------------------------------------------------------------------

    def _noscript(self, last: bool) -> bytes | None:
        """All of a noscript at once: with script on, it ends at the first `</noscript` whatever stands before."""
        if end := _NOSCRIPT_ENDS.search(self._held, self._at):
            self._inside = False
            return self._clean(self._take(end.start()))
        if last:
            return self._clean(self._take(len(self._held)))
        if len(self._held) - self._at < LONGEST:
            return None
        begun = self._held.rfind(b"<", self._at + 1)
        return self._clean(self._take(begun if begun > 0 else len(self._held)))

    def _clean(self, content: bytes) -> bytes:
        try:
            return b"".join(_cleaned(content, self._keeps))
        except Exception:  # what can not be judged is taken out
            return b""


def _cleaned(content: bytes, keeps: Keeps) -> Iterator[bytes]:
    """The content without the elements that load what may not be loaded."""
    at, last_comment = 0, content.rfind(b"--")
    while begun := _BEGINS.search(content, at):
        start = begun.start()
        end = _end_of_comment(content, start, last_comment) or _end_of_tag(content, start)
        loads = content[start + 1 : start + 2] != b"!" and _loads(content, start, end, keeps)
        yield content[at : start if loads else end]
        at = _end_of_element(content, start, end) if loads else end
    yield content[at:]


def _end_of_comment(content: bytes, start: int, last: int) -> int | None:
    """Behind the comment. One that never ends is none here: what follows is looked at."""
    comment = _COMMENT_BEGINS.match(content, start)
    if comment is None:
        return None
    if comment[1] or last < comment.end():
        return comment.end()
    end = _COMMENT_ENDS.search(content, comment.end())
    return end.end() if end else comment.end()


def _end_of_tag(content: bytes, start: int) -> int:
    """Behind the tag; one with a quote that is never closed is all that follows."""
    tag = _LOOSE_TAG.match(content, start)
    return tag.end() if tag else len(content)


def _name(content: bytes, start: int) -> bytes:
    tag = re.compile(rb"<([a-zA-Z][^\s/>]*+)").match(content, start)
    return tag[1].lower() if tag else b""


def _end_of_element(content: bytes, start: int, end: int) -> int:
    """Behind the end tag of what holds text, so that the text does not appear; other elements keep what they hold."""
    closing = _CLOSED_WITH.get(_name(content, start))
    closed = closing.search(content, end) if closing else None
    return closed.end() if closed else end


def _loads(content: bytes, start: int, end: int, keeps: Keeps) -> bool:
    """Whether the element asks for an address that may not be asked for."""
    tag = _LOOSE_TAG.fullmatch(content, start, end)
    name = _name(content, start)
    if tag is None or name == b"style":  # cut off within an attribute, or its own text loads: every address counts
        whole = content[start : _end_of_element(content, start, end)]
        return not all(map(keeps, _ADDRESS.findall(unescape(_read(whole)))))
    return not all(map(keeps, _addresses(tag[2], leads_away=name in (b"a", b"area"))))


def _addresses(attributes: bytes, leads_away: bool) -> Iterator[str]:
    for name, value in _PAIR.findall(attributes):
        known = name.decode("latin-1").lower()
        text = unescape(_read(value.strip(b"\"'")))
        if known in _TEXTS_WITH_ADDRESSES:
            yield from _ADDRESS.findall(text)
        elif known in _ADDRESSES and not (leads_away and known == "href"):  # that is asked for on a click alone
            yield text


def _read(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
