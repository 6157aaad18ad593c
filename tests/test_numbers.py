"""What counts as a number in a form or an address."""

import pytest

from consent.numbers import number


@pytest.mark.parametrize(("text", "said"), [
    ("0", 0), ("7", 7), ("007", 7), ("999999999", 999_999_999), ("1000000000", None), ("", None), (" 7", None),
    ("7\n", None), ("-1", None), ("+1", None), ("1.0", None), ("1_000", None), ("٣", None), ("²", None), ("x", None),
])
def test_one_to_nine_ascii_digits_are_a_number(text: str, said: int | None) -> None:
    assert number(text) == said
