"""Agreements over the API: for both parties."""

from __future__ import annotations

from tests.permissions.objects import an_agreement, listed
from tests.permissions.table import PARTIES, Row, api_list, api_object

ROWS = [
    Row("api:agreement-list", api_list(), given=listed(an_agreement), shown_to=PARTIES),
    Row("api:agreement-list", api_list(), of="buyer", given=listed(an_agreement), shown_to=PARTIES),
    Row("api:agreement-detail", api_object(counterparty=200), given=an_agreement),
    Row("api:agreement-detail", api_object(counterparty=200), of="buyer", given=an_agreement),
]
