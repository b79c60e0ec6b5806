"""Power caps of sites and sizes of fleets: changed by whoever trades for the owner."""

from __future__ import annotations

from tests.permissions.objects import a_fleet, a_site, listed
from tests.permissions.table import Row, api_change, only

OWN = only(200, "trader", "admin", counterparty=404)
CHANGE = only(302, "trader", "admin", counterparty=404)
# Pages for whoever trades for an owner; the stranger trades for another one.
OWNERS = only(200, "trader", "admin", "stranger", auditor=404, operator=404)

ROWS = [
    Row("supply:power_cap", OWN, given=a_site),
    Row("supply:power_cap", CHANGE, method="POST", given=a_site, body={"power_cap_kw": "500"}),
    Row("supply:resize_fleet", OWN, given=a_fleet),
    Row("supply:resize_fleet", CHANGE, method="POST", given=a_fleet, body={"cards": "72"}),
    # Whoever trades for an owner draws on its own fleets; a stranger that is one sees its own calendar.
    Row("supply:calendar", OWNERS, given=listed(a_fleet), public=True),
    Row(
        "supply:calendar",
        OWNERS | {"trader": 422, "admin": 422},
        method="POST",
        given=listed(a_fleet),
        public=True,
    ),
    Row("api:site-detail", api_change(200), method="PATCH", given=a_site, body={"power_cap_kw": "500"}),
    Row("api:fleet-detail", api_change(200), method="PATCH", given=a_fleet, body={"cards": 72}),
]
