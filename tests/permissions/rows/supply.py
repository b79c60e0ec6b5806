"""Power caps of sites and sizes of fleets: changed by whoever trades for the owner."""

from __future__ import annotations

from tests.permissions.objects import a_fleet, a_site
from tests.permissions.table import Row, api_change, only

OWN = only(200, "trader", "admin", counterparty=404)
CHANGE = only(302, "trader", "admin", counterparty=404)

ROWS = [
    Row("supply:power_cap", OWN, given=a_site),
    Row("supply:power_cap", CHANGE, method="POST", given=a_site, body={"power_cap_kw": "500"}),
    Row("supply:resize_fleet", OWN, given=a_fleet),
    Row("supply:resize_fleet", CHANGE, method="POST", given=a_fleet, body={"cards": "72"}),
    Row("api:site-detail", api_change(200), method="PATCH", given=a_site, body={"power_cap_kw": "500"}),
    Row("api:fleet-detail", api_change(200), method="PATCH", given=a_fleet, body={"cards": 72}),
]
