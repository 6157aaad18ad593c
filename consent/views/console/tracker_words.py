"""What the trackers' pages call things, and what the schema says of a tracker (faults.py translates it)."""

from typing import Final

from consent.marks import mark

CATEGORY_NAMES: Final = {
    "necessary": mark("Necessary"), "functional": mark("Functional"), "analytics": mark("Analytics"),
    "marketing": mark("Marketing"),
}
MARKS: Final = {
    "session replay": mark("session replay"), "may be exempt in NL": mark("may be exempt in NL"),
    "on a click": mark("on a click"), "vendor is told the choice": mark("vendor is told the choice"),
}

# What the schemas of catalogue.py and shapes.py say, so that it can be translated.
FAULTS: Final = (
    mark("is needed: necessary is only what has a recorded justification (A6)"),
    mark("is never necessary (A6)"),
    mark("must be true: the vendor's country lies outside the EEA (C4)"),
    mark("needs the hosts that the embedded content comes from"),
    mark("belongs to a tracker in the catalogue: use that tracker's id"),
    mark("is needed for a category other than the catalogue's (A6)"),
    mark("cannot be necessary for a tracker that measures or advertises (A6)"),
    mark("is needed for an exemption from consent (A7)"),
    mark("is possible for analytics only (A7)"),
    mark("is never possible for session replay (A8)"),
    mark("is not possible for a tracker that shares data or takes it out of the EEA (A7)"),
    mark("is possible only where the law knows it: jurisdiction NL (A7)"),
    mark("is needed for a tracker of your own"),
    mark("must be an https address"),
    mark("must be a day such as 2026-11-22"),
    mark("must be a country by ISO 3166-1, such as NL or GB"),
    mark("must be lower-case letters and digits, joined by - or _"),
    mark("must be a host such as cdn.shop.example or *.shop.example"),
    mark("must be a host and a path such as cdn.shop.example/js/"),
    mark("must be an id #name, a class .name or an attribute's beginning [id^=name]"),
    mark("would match the banner itself"),
    mark("needs at least three characters to begin with"),
    mark("may have * only at the end"),
    mark("needs at least three characters before the *"),
    mark("would match the visitor's own choice"),
    mark("must be a cookie's name"),
    mark("must be session, persistent or an ISO 8601 duration such as P13M or PT30M"),
    mark("must be a domain such as vendor.example"),
    mark("must be a storage key without blanks"),
    mark("Is in the list already."),
    mark("Are too many: a choice for each of them has to fit in a cookie."),
    mark("May name 300 trackers at most."),
    mark("Longer than maximum length 100."),
)
