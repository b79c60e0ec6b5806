"""Counts are public; utilisation is an owner's own, and everybody's for the exchange."""

from __future__ import annotations

from datetime import timedelta

from accounts.actors import task_actor
from marketplace.audit.utilisation.services import roll_up
from tests.cast import Cast
from tests.conftest import NOW
from tests.pages_market.scenes import make_run
from tests.permissions.objects import a_fleet, listed
from tests.permissions.table import READERS, Row, api_list, everybody


def a_fleet_that_was_counted(cast: Cast) -> dict[str, object]:
    fleet = a_fleet(cast)
    make_run(opened_at=NOW - timedelta(hours=3))
    roll_up(now=NOW, actor=task_actor("a test"))
    return fleet


ROWS = [
    Row("api:activity", everybody()),
    Row("api:utilisation", api_list(), given=listed(a_fleet_that_was_counted), shown_to=READERS),
    Row("api:utilisation_trend", api_list(), given=listed(a_fleet_that_was_counted), shown_to=READERS),
]
