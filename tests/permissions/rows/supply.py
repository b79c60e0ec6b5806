"""Power caps of sites and sizes of fleets: changed by whoever trades for the owner."""

from __future__ import annotations

from marketplace.supply.importing import services as importing
from tests.cast import Cast
from tests.conftest import NOW
from tests.permissions.objects import Given, a_fleet, a_site, listed
from tests.permissions.table import Row, api_change, only, page

OWN = only(200, "trader", "admin", counterparty=404)
CHANGE = only(302, "trader", "admin", counterparty=404)
# Pages for whoever trades for an owner; the stranger trades for another one.
OWNERS = only(200, "trader", "admin", "stranger", auditor=404, operator=404)
ONE_LINE = "site,model,cards,from,until,ask\nSite 1,h800,8,2026-03-03 08:00,2026-03-04 08:00,9\n"


def an_import(cast: Cast) -> Given:
    a_fleet(cast)
    viewer = cast.viewer_of(cast.owner_trader)
    return {"pk": importing.begin(viewer=viewer, owner=cast.owner, name="f", text=ONE_LINE, now=NOW).pk}


def a_line(cast: Cast) -> Given:
    return an_import(cast) | {"number": 2}


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
    Row("supply:new_import", OWNERS),
    Row("supply:new_import", OWNERS | {"trader": 422, "admin": 422, "stranger": 422}, method="POST"),
    Row("supply:import_example", OWNERS),
    Row("supply:import", page(counterparty=404), given=an_import),
    Row("supply:mend_line", CHANGE, method="POST", given=a_line, body={"do": "leave"}),
    Row("supply:confirm_import", CHANGE, method="POST", given=an_import),
    Row("api:site-detail", api_change(200), method="PATCH", given=a_site, body={"power_cap_kw": "500"}),
    Row("api:fleet-detail", api_change(200), method="PATCH", given=a_fleet, body={"cards": 72}),
]
