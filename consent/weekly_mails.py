"""The weekly summary in words, as text and as a page with its one chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask_babel import format_date, format_decimal, format_percent, gettext

from consent import alert_words
from consent.breakdowns import TrackerShare
from consent.charts import Chart, Mark, Series, png
from consent.letterheads import listed, page, speaking, wrapped
from consent.mails import PICTURE, Page
from consent.reports import Line
from consent.shares import Share, difference

if TYPE_CHECKING:
    from consent.weekly import Week

LEAST: Final = 10  # of a part that is told: fewer are people
TRACKERS: Final = 12
SITES: Final = 20
SHOWN: Final = {"width": 560, "height": 320}  # pixels of the chart in the mail


@dataclass(frozen=True)
class Section:
    """A heading, and sentences under it."""

    title: str
    sentences: Sequence[str]


def written(week: Week, url: str, leave: str, language: str) -> tuple[str, str, Page]:
    """Subject, text and page in this language."""
    with speaking(language):
        sections, link = list(_sections(week)), _link(week, url)
        why = gettext("You get this because you are a member of %(name)s at Poort and want its weekly summary.",
                      name=week.organisation)
        title = gettext("The week of %(first)s to %(last)s", first=_day(week.now.days[0]), last=_day(week.now.days[-1]))
        text = [title, *(f"{one.title.upper()}\n{listed(one.sentences)}" for one in sections),
                gettext("The report:") + f"\n{link}", wrapped(why), gettext("No more of these:") + f"\n{leave}"]
        chart = _chart(week, language)
        html = page("weekly.html", sections=sections, title=title, link=link, why=why, leave=leave, language=language,
                    organisation=week.organisation, picture=PICTURE, chart=chart.title, days=_days(week), **SHOWN)
        return _subject(week, title), "\n\n".join(text) + "\n", Page(html, png(chart, **SHOWN))


def _subject(week: Week, title: str) -> str:
    share = week.now.share("accept_all").value
    if share is None or week.now.total.shown < LEAST:
        return f"{week.organisation}: {title}"
    return str(gettext("%(name)s: %(share)s accepted all last week", name=week.organisation, share=_percent(share)))


def _link(week: Week, url: str) -> str:
    if len(week.sites) != 1:
        return f"{url}/console/"
    return f"{url}/console/sites/{next(iter(week.sites))}/report?from={week.now.first}&to={week.now.last}"


# What it says ---------------------------------------------------------------------------------------------------------

def _sections(week: Week) -> Iterator[Section]:
    yield Section(gettext("What visitors chose"), _choices(week))
    if week.now.trackers:
        yield Section(gettext("What each tracker sees"), list(_trackers(week)))
    if len(week.sites) > 1:
        yield Section(gettext("Each site"), list(_sites(week)))
    yield Section(gettext("What changed"), list(_changes(week)) or [gettext("Nothing was published, and nothing"
                                                                            " alarmed.")])


def _choices(week: Week) -> list[str]:
    shown, before = week.now.total.shown, week.before.total.shown
    said = gettext("The banner was shown %(n)s times; the week before %(before)s times.", n=format_decimal(shown),
                   before=format_decimal(before))
    if shown < LEAST:
        return [said, gettext("Those are too few to say more.")]
    names = {"answered": gettext("Answered"), "accept_all": gettext("Accepted all"),
             "necessary_only": gettext("Necessary only")}
    return [said, *(f"{name}: {_with_interval(week.now.share(what))}. {_compared(week, what)}"
                    for what, name in names.items()),
            gettext("In brackets: between these the true share is, with 95% certainty.")]


def _with_interval(share: Share) -> str:
    low, high = share.interval or (0.0, 1.0)
    return str(gettext("%(share)s (%(low)s to %(high)s)", share=_percent(share.value or 0), low=_percent(low),
                       high=_percent(high)))


def _compared(week: Week, what: str) -> str:
    found = difference(week.before.share(what), week.now.share(what))
    if found is None or week.before.total.shown < LEAST:
        return str(gettext("There is no week before it to compare with."))
    if not found.is_beyond_chance:
        return str(gettext("About as the week before: the difference can be chance."))
    points = format_decimal(abs(found.value) * 100, "0.0")
    if found.value > 0:
        return str(gettext("%(points)s points more than the week before, which is more than chance.", points=points))
    return str(gettext("%(points)s points less than the week before, which is more than chance.", points=points))


def _trackers(week: Week) -> Iterator[str]:
    for tracker in week.now.trackers[:TRACKERS]:
        yield _of_tracker(tracker)
    if len(week.now.trackers) > TRACKERS:
        yield gettext("And %(n)s more, in the report.", n=len(week.now.trackers) - TRACKERS)


def _of_tracker(tracker: TrackerShare) -> str:
    share = tracker.seen
    if share.whole < LEAST or 0 < share.part < LEAST or 0 < share.whole - share.part < LEAST:
        return str(gettext("%(tracker)s: too few visits to say.", tracker=tracker.name))
    if share.part == share.whole:
        return str(gettext("%(tracker)s sees all visits: it needs no consent, or everybody gave it.",
                           tracker=tracker.name))
    return str(gettext("%(tracker)s sees %(share)s of the visits.", tracker=tracker.name, share=_with_interval(share)))


def _sites(week: Week) -> Iterator[str]:
    shown = sorted(week.lines.items(), key=lambda pair: (-pair[1].shown, pair[0]))
    for key, line in shown[:SITES]:
        accepted = Share(line.accept_all, line.shown)
        said = _percent(accepted.value) if accepted.value is not None and line.shown >= LEAST else "–"
        yield gettext("%(site)s: shown %(n)s times, accepted all %(share)s", site=week.sites[key],
                      n=format_decimal(line.shown), share=said)
    if len(shown) > SITES:
        yield gettext("And %(n)s more, in the report.", n=len(shown) - SITES)


def _changes(week: Week) -> Iterator[str]:
    for one in week.happened:
        said = {"day": _date(one.day), "site": week.sites[one.site]}
        if one.kind == "note":
            yield gettext("%(day)s, note at %(site)s: %(text)s", text=one.text, **said)
        else:
            yield gettext("%(day)s: version %(number)s of %(site)s was published.", number=one.text, **said)
    for alert in week.alerts:
        said = gettext("over") if alert.cleared_at else gettext("open")
        yield gettext("Alert of %(site)s, since %(day)s: %(title)s (%(state)s).", site=week.sites[alert.site],
                      day=_date(alert.raised_at), title=alert_words.title(alert.kind), state=said)


# The chart, and its numbers -------------------------------------------------------------------------------------------

def _chart(week: Week, language: str) -> Chart:
    """Two weeks by the day: what was chosen, and what was ignored."""
    days = [*week.before.days, *week.now.days]
    names = {"accept_all": gettext("Accepted all"), "custom": gettext("Own choice"),
             "necessary_only": gettext("Necessary only"), "ignored": gettext("Ignored")}
    marks = tuple(
        Mark(len(week.before.days) + (one.day - week.now.first).days, str(n),
             one.text if one.kind == "note" else gettext("version %(number)s", number=one.text))
        for n, one in enumerate(week.happened[:9], 1) if week.now.first <= one.day <= week.now.last)
    return Chart(
        title=gettext("How often the banner was shown, in two weeks"),
        labels=tuple(_day(line) for line in days), short=tuple(_short(line) for line in days),
        series=tuple(Series(name, tuple(getattr(line, what) for line in days), what) for what, name in names.items()),
        marks=marks, language=language)


def _days(week: Week) -> list[dict[str, Any]]:
    return [{"day": format_date(line.first, "EEE d"), "shown": format_decimal(line.shown),
             "answered": format_decimal(line.answered), "accepted": format_decimal(line.accept_all)}
            for line in week.now.days]


def _percent(share: float) -> str:
    return str(format_percent(share))


def _day(line: Line) -> str:
    return _date(line.first)


def _short(line: Line) -> str:
    return str(format_date(line.first, "EEEEEE d"))


def _date(day: Any) -> str:
    return str(format_date(day, "d MMMM"))
