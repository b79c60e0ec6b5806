"""Runs, prices and the board over the API are public; what a run was given and gave is for the exchange."""

from __future__ import annotations

from tests.permissions.objects import a_run, an_explanation, listed
from tests.permissions.table import ACTORS, READERS, TOKENS, Row, api_list, api_object, everybody

ALL = frozenset(ACTORS)
# The bytes show everybody's orders.
BYTES = api_object(viewer=404, trader=404, finance=404, admin=404) | dict.fromkeys(TOKENS, 404)

ROWS = [
    Row("api:market-board", everybody(), given=listed(a_run), shown_to=ALL),
    Row("api:market-run-list", everybody(), given=listed(a_run), shown_to=ALL),
    Row("api:market-run-detail", everybody(), given=a_run, public=True),
    Row("api:market-run-prices", everybody(), given=a_run, public=True, shown_to=ALL),
    Row("api:market-run-snapshot", BYTES, given=a_run),
    Row("api:market-run-result", BYTES, given=a_run),
    Row("api:price-list", everybody(), given=listed(a_run), query="model=h800&zone=cn-east", shown_to=ALL),
    Row("api:explanation-list", api_list(), of="buyer", given=an_explanation, shown_to=READERS),
]
