"""On how many random markets each property is tried.

``make nightly`` sets ``CARDHOUR_TIMES_MARKETS``: every property is then tried on that many times as many
markets as in ``make test``. ``conftest.py`` tells how many these are in all.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("CARDHOUR_TIMES_MARKETS", "1"))

tried: list[int] = []
"""Markets by property, of all test files that have been imported."""


def markets(ordinary: int) -> settings:
    """Settings of a property: ``ordinary`` markets in ``make test``, however long each of them takes.

    A failure prints a line that reproduces it.
    """
    tried.append(ordinary * TIMES)
    return settings(
        max_examples=ordinary * TIMES,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
