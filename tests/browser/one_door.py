"""Through the fast door alone: what these files try is in the page's script, of which both doors serve the same bytes.

It saves half of their time. test_before_choice.py and test_csp.py go through both doors.
"""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", params=["asgi"])
def door(request: pytest.FixtureRequest) -> str:
    """Takes the place of the fixture of that name where it is imported."""
    return str(request.param)
