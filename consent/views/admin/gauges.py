"""The counts of an owner's sites for Prometheus."""

from datetime import timedelta

from flask import Response
from prometheus_client import CollectorRegistry, generate_latest

from consent import keys, metrics, reports, zones
from consent.gauges import SiteCounts
from consent.keys import ApiKey
from consent.views.admin.doors import needs, views

MOST_SITES = 200


@views.get("/metrics")
@needs("read")
def show_gauges(key: ApiKey) -> Response:
    """What visitors chose on the sites that the key opens, the first 200 by their names, in Prometheus' text format."""
    sites = [site.key for site in keys.sites_of(key, "", MOST_SITES)]
    today = zones.today(zones.zone(key.organisation.time_zone))
    registry = CollectorRegistry()
    registry.register(SiteCounts(sites, today - timedelta(days=reports.RECENT - 1), today))
    kept = {"Cache-Control": "no-store"}
    return Response(generate_latest(registry), content_type=metrics.CONTENT_TYPE, headers=kept)
