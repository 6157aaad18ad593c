"""What is counted for Prometheus. Labels are names from the code, never anything of a visitor or a request.

Under gunicorn each worker counts in files of its own (PROMETHEUS_MULTIPROC_DIR, made by gunicorn.conf.py) and any
worker adds all of them up, so that the numbers are right whoever is asked.
"""

import os
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from consent.gate import ALLOWED, REFUSED

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

disable_created_metrics()  # type: ignore[no-untyped-call]
_registry = CollectorRegistry()

ANSWERS = Counter("poort_answers", "Answers by route and class of status.", ("route", "status"), registry=_registry)
STORED = Counter("poort_records_stored", "Decisions stored, durably.", registry=_registry)
FAILED = Counter("poort_commits_failed", "Commits that failed; who waited for them got 503.", registry=_registry)
QUEUE = Gauge(
    "poort_queue_length", "Decisions and events that wait for the disk.",
    multiprocess_mode="livesum", registry=_registry)
JOB_UNWRITTEN = Gauge(
    "poort_job_unwritten", "1 while the job fails and even that can not be written into the database; POORT_JOBS=on.",
    ("job",), multiprocess_mode="livesum", registry=_registry)
DECISIONS = Counter("poort_gate_decisions", "Answers about single trackers.", ("reason",), registry=_registry)
CONSENT_SECONDS = Histogram(
    "poort_consent_seconds", "From the request of a decision to its durable answer.", registry=_registry,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0))

_decisions = {reason: DECISIONS.labels(reason) for reason in ALLOWED + REFUSED}


@lru_cache(maxsize=1_024)
def _answers(route: str, status: int) -> Counter:
    return ANSWERS.labels(route, f"{status // 100}xx")


def answered(route: str, status: int) -> None:
    """Count an answer. `route` is the name of a route, never a path that somebody typed."""
    _answers(route, status).inc()


def decided(reason: str) -> None:
    """Count what the gate said."""
    _decisions[reason].inc()


def exposition(*others: Collector) -> bytes:
    """Everything counted so far by all workers, and what `others` know, as Prometheus reads it."""
    whole = CollectorRegistry()
    for collector in others:
        whole.register(collector)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(_registry) + generate_latest(whole)
    MultiProcessCollector(whole)  # type: ignore[no-untyped-call]
    return generate_latest(whole)
