"""Charges over the API: for both parties. What is parked is for the exchange."""

from __future__ import annotations

from tests.permissions.objects import a_charge, a_parked_slot, listed
from tests.permissions.table import EXCHANGE, PARTIES, Row, api_list, api_object

ROWS = [
    Row("api:charge-list", api_list(), given=listed(a_charge), shown_to=PARTIES),
    Row("api:charge-list", api_list(), of="buyer", given=listed(a_charge), shown_to=PARTIES),
    Row("api:charge-detail", api_object(counterparty=200), given=a_charge),
    Row("api:charge-detail", api_object(counterparty=200), of="buyer", given=a_charge),
    Row("api:charge-readings", api_object(counterparty=200), given=a_charge, shown_to=PARTIES),
    Row("api:charge-readings", api_object(counterparty=200), of="buyer", given=a_charge, shown_to=PARTIES),
    Row("api:parked-usage-list", api_list(), given=a_parked_slot, shown_to=EXCHANGE),
]
