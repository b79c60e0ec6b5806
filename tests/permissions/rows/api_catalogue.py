"""The catalogue over the API: public."""

from __future__ import annotations

from tests.permissions.objects import a_model, catalogue
from tests.permissions.table import ACTORS, Row, everybody

ALL = frozenset(ACTORS)

ROWS = [
    Row("api:accelerator-model-list", everybody(), given=catalogue, shown_to=ALL),
    Row("api:accelerator-model-detail", everybody(), given=a_model, public=True),
    Row("api:region-list", everybody(), given=catalogue, shown_to=ALL),
]
