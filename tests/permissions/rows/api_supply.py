"""Sites, fleets and offers over the API: an owner's business, of which buyers see nothing."""

from __future__ import annotations

from tests.cast import Cast
from tests.factories import HOUR, START
from tests.permissions.objects import (
    a_fleet,
    a_site,
    an_offer,
    catalogue,
    listed,
    owners_fleet,
    owners_site,
)
from tests.permissions.table import READERS, Row, api_change, api_list, api_object

# What the body names does not exist for a stranger: the same 422 as for a number that nobody has.
CREATED = api_change(201, stranger=422, counterparty=422, token_agent=422, token_stranger=422)


def a_new_site(cast: Cast) -> dict[str, object]:
    return {
        "organisation": cast.owner.pk,
        "name_en": "Wuhu 1",
        "name_zh": "芜湖一号",
        "region": "cn-wuhu",
        "pue": "1.15",
        "renewable_share": "0.4",
        "bandwidth_mbps": 40000,
    }


def a_new_fleet(cast: Cast) -> dict[str, object]:
    return {
        "site": owners_site(cast).pk,
        "model": "h800",
        "cards": 64,
        "node_size": 8,
        "interconnect": "NVLink",
        "installed_at": "2025-01-01T00:00:00Z",
    }


def a_new_offer(cast: Cast) -> dict[str, object]:
    return {
        "fleet": owners_fleet(cast).pk,
        "cards": 8,
        "starts_at": START,
        "ends_at": START + 2 * HOUR,
        "asks": ["9.5"],
    }


ROWS = [
    Row("api:site-list", api_list(), given=listed(a_site), shown_to=READERS),
    Row("api:site-list", CREATED, method="POST", given=catalogue, body=a_new_site),
    Row("api:site-detail", api_object(), given=a_site),
    Row("api:fleet-list", api_list(), given=listed(a_fleet), shown_to=READERS),
    Row("api:fleet-list", CREATED, method="POST", given=catalogue, body=a_new_fleet),
    Row("api:fleet-detail", api_object(), given=a_fleet),
    Row("api:offer-list", api_list(), given=listed(an_offer), shown_to=READERS),
    Row("api:offer-list", CREATED, method="POST", body=a_new_offer),
    Row("api:offer-detail", api_object(), given=an_offer),
    Row("api:offer-detail", api_change(200), method="PATCH", given=an_offer, body={"asks": ["9"]}),
    Row("api:offer-book", api_object(), given=an_offer),
    Row("api:offer-withdraw", api_change(200), method="POST", given=an_offer),
]
