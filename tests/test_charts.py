"""Charts: what is drawn says the numbers, runs nothing, and costs little."""

import struct
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import charts
from consent.charts import Chart, Mark, Series

BARS = Chart(
    "Shown <and> answered", ("1 November", "2 November", "3 November"), ("1 Nov", "2 Nov", "3 Nov"),
    (Series("Accepted all", (30, 0, 12), "accept_all"), Series("Ignored", (10, 0, 40), "ignored")),
    marks=(Mark(1, "3", "version 3 & more"),))
LINES = Chart(
    "Allowed", BARS.labels, BARS.short, (Series("Analytics", (0.5, None, 0.61), "analytics"),), "lines", "%",
    language="nl")


def test_each_column_says_its_values_and_what_happened_there() -> None:
    assert charts.said(BARS)[0] == "1 November: Accepted all 30, Ignored 10"
    assert charts.said(BARS)[1].endswith("Ignored 0; version 3 & more")
    assert charts.said(LINES) == (
        "1 November: Analytics 50%", "2 November: Analytics –", "3 November: Analytics 61%")
    titles = [one.text for one in ElementTree.fromstring(charts.inline(BARS, "heading")).iter() if "title" in one.tag]
    assert titles == list(charts.said(BARS))


@pytest.mark.parametrize("chart", [BARS, LINES])
def test_a_part_of_a_page_has_no_style_and_no_script(chart: Chart) -> None:
    """The console's policy allows neither."""
    for element in ElementTree.fromstring(charts.inline(chart, "heading")).iter():
        assert element.tag.rpartition("}")[2] not in ("script", "style", "foreignObject", "a", "image", "use")
        assert not {"style", "href", "onclick"} & {name.rpartition("}")[2] for name in element.attrib}


@pytest.mark.parametrize("chart", [BARS, LINES])
def test_a_file_of_its_own_has_its_title_and_its_style(chart: Chart) -> None:
    drawn = ElementTree.fromstring(charts.document(chart))
    assert [one.text for one in drawn if one.tag.endswith("title")] == [chart.title]
    assert any(one.text == charts.STYLE for one in drawn.iter() if one.tag.endswith("style"))
    assert "script" not in charts.document(chart)


def test_a_picture_has_letters_wherever_it_is_drawn() -> None:
    picture = charts.png(BARS)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (1920, 880)
    assert picture != charts.png(replace(BARS, title="Something else")), "without a font both titles would be nothing"


@given(st.integers(0, 10**12))
def test_the_axis_ends_at_a_round_number(largest: int) -> None:
    top = charts.ceiling(largest)
    assert largest <= top <= max(1, 2.5 * largest)
    assert top == 1 or top % 2 == 0
