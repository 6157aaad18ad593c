"""A piece of HTML as browsers take it apart, and put together again so that it can only be read in one way. Pure.

    tokens("<p>Hi <script>a < b</script>")  ->  Start("p", {}), Text("Hi "), Element("script", {}, "a < b", closed=True)

Nothing of the source is written out as it stood, but for the inside of scripts and style sheets: every tag is made anew
of what was understood of it, so what was not understood can not become a tag.
"""

import re
from collections.abc import Mapping
from html import escape
from html.parser import HTMLParser
from typing import Final, NamedTuple

MOST_TAGS: Final = 1_500  # a tag that never ends is looked at up to the end of the source: this bounds how often

Attributes = Mapping[str, str | None]

# What is inside these is text, up to their own end tag. noscript and iframe: in a browser that runs scripts.
RAW: Final = frozenset({
    "script", "style", "noscript", "iframe", "textarea", "title", "xmp", "noembed", "noframes", "plaintext",
})
VOID: Final = frozenset({
    "area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
})
_TAG: Final = re.compile(r"[a-z][a-z0-9-]*")
_ATTRIBUTE: Final = re.compile(r"[a-z_:@][a-z0-9_:.@-]*")


class Unreadable(ValueError):
    """More tags than a snippet has."""


class Start(NamedTuple):
    """A start tag; the names are in lower case, the values without entities."""

    tag: str
    attributes: Attributes


class End(NamedTuple):
    """An end tag."""

    tag: str


class Text(NamedTuple):
    """What is read."""

    text: str


class Comment(NamedTuple):
    """What is not."""

    text: str


class Element(NamedTuple):
    """One of RAW with what is inside, as it stood."""

    tag: str
    attributes: Attributes
    inside: str
    closed: bool


Token = Start | End | Text | Comment | Element


class _Reader(HTMLParser):
    """The standard parser, with the inside of RAW found as browsers find it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Token] = []
        self.tail = ""  # behind the last >
        self._steps = 0
        self._raw: Start | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes: dict[str, str | None] = {}
        for name, value in attrs:
            attributes.setdefault(name, value)  # of two of the same name the first counts
        start = Start(tag, attributes)
        if tag in RAW:
            self._raw = start
        else:
            self.found.append(start)

    # A slash at the end means nothing in HTML.
    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        self.found.append(End(tag))

    def handle_data(self, data: str) -> None:
        self.found.append(Text(data))

    def handle_comment(self, data: str) -> None:
        self.found.append(Comment(data))

    # As the parser's own, which ends raw text otherwise in other releases of Python.

    def set_cdata_mode(self, *_: object, **__: object) -> None:
        """Never: parse_starttag does it."""

    def parse_starttag(self, i: int) -> int:
        """Also takes what is inside."""
        self._step()
        end = super().parse_starttag(i)
        raw, self._raw = self._raw, None
        return end if raw is None else self._inside(raw, end)

    def _inside(self, raw: Start, begin: int) -> int:
        never = raw.tag == "plaintext"
        ends = re.compile(rf"</{raw.tag}(?=[\s/>])[^>]*>", re.IGNORECASE)
        closing = None if never else ends.search(self.rawdata, begin)
        inside = self.rawdata[begin:closing.start()] if closing else self.rawdata[begin:] + self.tail
        if closing is None:
            self.tail = ""
        self.found.append(Element(raw.tag, raw.attributes, inside, closing is not None))
        return closing.end() if closing else len(self.rawdata)

    def parse_html_declaration(self, i: int) -> int:
        """Counted."""
        self._step()
        return super().parse_html_declaration(i)

    def parse_pi(self, i: int) -> int:
        """Counted."""
        self._step()
        return super().parse_pi(i)

    def parse_endtag(self, i: int) -> int:
        """Counted."""
        self._step()
        return super().parse_endtag(i)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_TAGS:
            raise Unreadable


def tokens(source: str) -> list[Token]:
    """The parts of it, in their order. Raises Unreadable."""
    reader = _Reader()
    # No tag ends behind the last >: looked at from each of its < again, a long rest would take for ever.
    end = source.rfind(">") + 1
    reader.tail = source[end:]
    try:
        reader.feed(source[:end])
        reader.close()
    except AssertionError as error:  # how the parser calls some broken declarations
        raise Unreadable from error
    return [*reader.found, Text(reader.tail)] if reader.tail else reader.found


# Written out --------------------------------------------------------------------------------------------------------


def is_sound(token: Start | Element) -> bool:
    """Whether its name is one of HTML's shape."""
    return _TAG.fullmatch(token.tag) is not None


def opened(tag: str, attributes: Attributes) -> str:
    """A start tag; attributes whose name is none are left out."""
    parts = [tag, *(_attribute(name, value) for name, value in attributes.items() if _ATTRIBUTE.fullmatch(name))]
    return f"<{' '.join(parts)}>"


def _attribute(name: str, value: str | None) -> str:
    return name if value is None else f'{name}="{text(value).replace(chr(34), "&quot;")}"'


def text(data: str) -> str:
    """Text."""
    return escape(data, quote=False)


def comment(data: str) -> str:
    """A comment, or nothing for one that not every browser ends in the same place."""
    return "" if re.search(r"[<>]|--|-\Z", data) else f"<!--{data}-->"


def holds_together(inside: str, tag: str) -> bool:
    """Whether the inside of a script or style sheet, written out, ends where its end tag is."""
    if re.search(rf"</\s*{tag}[\s/>]", inside, re.IGNORECASE):
        return False
    # `<!--` and then `<script` lets the next end tag pass: the script would go on behind it.
    comment_begins = inside.find("<!--")
    return tag != "script" or comment_begins < 0 or "<script" not in inside[comment_begins:].lower()
