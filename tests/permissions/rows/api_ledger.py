"""The ledger over the API: finance people see the journals and accounts of their organisation."""

from __future__ import annotations

from tests.permissions.objects import a_charge, a_difference, an_account, listed
from tests.permissions.table import EXCHANGE, FINANCE, Row, api_list, api_object

# What is billed is booked on the buyer's account and on the owner's; each sees its own leg.
BOTH = FINANCE | {"counterparty"}
HIDDEN = {"viewer": 404, "trader": 404, "token_trade": 404}

ROWS = [
    *(
        Row(name, api_list(), of=side, given=listed(a_charge), shown_to=BOTH)
        for name in ("api:journal-list", "api:ledger-account-list")
        for side in ("owner", "buyer")
    ),
    Row("api:ledger-account-movements", api_object(**HIDDEN), given=an_account, shown_to=FINANCE),
    Row("api:ledger-difference-list", api_list(), given=listed(a_difference), shown_to=EXCHANGE),
]
