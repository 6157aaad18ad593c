"""What a visitor loads stays small."""

from bench.size import LIMIT, measure


def test_script_style_and_a_site_of_eight_trackers_in_two_languages_fit() -> None:
    assert measure()["together, nl and en"][2] <= LIMIT
