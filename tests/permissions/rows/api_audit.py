"""Counts are public; utilisation is an owner's own, and everybody's for the exchange."""

from __future__ import annotations

from tests.permissions.objects import a_fleet, listed
from tests.permissions.table import READERS, Row, api_list, everybody

ROWS = [
    Row("api:activity", everybody()),
    Row("api:utilisation", api_list(), given=listed(a_fleet), shown_to=READERS),
]
