"""Energy of sites: read by the owner and the exchange, told by whoever trades for the owner."""

from __future__ import annotations

from marketplace.energy import services
from marketplace.supply.models import Site
from tests.cast import Cast
from tests.conftest import NOW
from tests.energy.builders import HEAD
from tests.permissions.objects import Given, a_site
from tests.permissions.table import Row, api_change, api_object, only, page

ONE_LINE = HEAD + "2026-03-02T08:00Z,1.2,500,,,,,,\n"
HOURS = {
    "name": "grid operator",
    "basis": "forecast",
    "hours": [{"hour": "2026-03-02T08:00Z", "pue": "1.2", "grid": "500"}],
}


def a_file(cast: Cast) -> Given:
    site = a_site(cast)["pk"]
    viewer = cast.viewer_of(cast.owner_trader)
    kept = Site.objects.get(pk=site)
    opened = services.open_file(viewer=viewer, site=kept, name="f", basis="forecast", text=ONE_LINE, now=NOW)
    return {"pk": opened.pk}


TELLS = only(200, "trader", "admin", counterparty=404)

ROWS = [
    Row("energy:site", page(counterparty=404), given=a_site),
    Row("energy:site_csv", page(counterparty=404), given=a_site),
    Row("energy:new_file", TELLS, given=a_site),
    Row("energy:new_file", TELLS | {"trader": 422, "admin": 422}, method="POST", given=a_site),
    Row("energy:file", page(counterparty=404), given=a_file),
    Row("energy:confirm", only(302, "trader", "admin", counterparty=404), method="POST", given=a_file),
    Row("api:site-energy", api_object(), given=a_site),
    Row("api:site-energy", api_change(201), method="POST", given=a_site, body=HOURS),
]
