"""The example for Prometheus and Grafana asks for what there is."""

import json
import re
from pathlib import Path

from consent import counts, gauges

FOLDER = Path(__file__).parent.parent / "deploy" / "grafana"
EVENTS = set(re.findall(r"^    (\w+)[ ,]", counts.__doc__ or "", re.M)) | {"suspect", "sampled"}


def test_the_dashboard_asks_for_what_is_counted() -> None:
    dashboard = json.loads((FOLDER / "poort.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked) >= 9
    source = Path(gauges.__file__).read_text()
    for expression in asked:
        for metric in re.findall(r"poort_\w+", expression):
            assert f'"{metric}"' in source, metric
        assert not re.search(r"\b(increase|rate)\(", expression), "these are for counters, which never fall"
        assert set(re.findall(r'event="(\w+)"', expression)) <= EVENTS, expression


def test_its_readme_names_every_event() -> None:
    said = (FOLDER / "README.md").read_text()
    assert {"shown", "again", "answered", "granted", "withdrawn", "visit", "failed"} <= EVENTS
    for event in EVENTS - {"imported", "recovered"}:
        assert f"`{event}`" in said, event
