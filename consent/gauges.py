"""What visitors chose, by site, as Prometheus reads it: how often since the beginning, for a graph of an owner's own.

Of the daily counts, for whoever has an API key: the server's own counters are in metrics.py.

They are gauges: a flood that is counted apart, or a restriction, takes some off again, and Prometheus would take a
counter that falls for one that began anew, and count all of it once more.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from consent import breakdowns
from consent.counts import DailyCount
from consent.db import db


class SiteCounts(Collector):
    """The counts of these sites, and what each tracker may see from `first` to `last`."""

    def __init__(self, sites: Sequence[str], first: date, last: date) -> None:
        self._sites, self._first, self._last = sites, first, last

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One for all that is counted, and one for the shares of trackers."""
        yield self._counted()
        yield self._seen()

    def _counted(self) -> GaugeMetricFamily:
        names = ("site", "traffic", "event", "value")
        found = GaugeMetricFamily("poort_site_events", "What happened, as the reports count it.", labels=names)
        table = DailyCount.__table__.c
        query = select(table.site, table.bot, table.metric, table.value, func.sum(table.n).label("n"))
        query = query.where(table.site.in_(self._sites)).group_by(table.site, table.bot, table.metric, table.value)
        for row in db.session.execute(query.order_by(table.site, table.bot, table.metric, table.value)):
            found.add_metric([row.site, "bot" if row.bot else "people", row.metric, row.value], int(row.n))
        return found

    def _seen(self) -> GaugeMetricFamily:
        meaning = "The share of the visits in which the tracker may load, in the last 30 days."
        found = GaugeMetricFamily("poort_site_tracker_share", meaning, labels=("site", "tracker"))
        for site in self._sites:
            for tracker in breakdowns.figures([site], self._first, self._last).trackers:
                if tracker.seen.value is not None:
                    found.add_metric([site, tracker.id], tracker.seen.value)
        return found
