"""The ledger over the API: finance people see the journals and accounts of their organisation."""

from __future__ import annotations

from tests.permissions.objects import a_charge, listed
from tests.permissions.table import FINANCE, Row, api_list

# What is billed is booked on the buyer's account and on the owner's; each sees its own leg.
BOTH = FINANCE | {"counterparty"}

ROWS = [
    Row(name, api_list(), of=side, given=listed(a_charge), shown_to=BOTH)
    for name in ("api:journal-list", "api:ledger-account-list")
    for side in ("owner", "buyer")
]
