"""Energy and carbon of agreements, for their parties; of shifting, for the exchange; certificates."""

from __future__ import annotations

from tests.factories import START
from tests.permissions.objects import a_site, an_agreement
from tests.permissions.table import Row, api_change, api_object, everybody, page

CERTIFICATE = {
    "issuer": "I-REC",
    "first_serial": 1,
    "last_serial": 9,
    "plant": "Yumen wind farm",
    "hour": START.isoformat(),
    "wh": 1_000,
}

ROWS = [
    Row("carbon:agreement", page(counterparty=200), given=an_agreement),
    Row("carbon:shifting", everybody(404) | {"anonymous": 302, "auditor": 200, "operator": 200}),
    Row("api:agreement-carbon", api_object(counterparty=200), given=an_agreement),
    Row("api:site-certificates", api_object(), given=a_site),
    Row(
        "api:site-certificates",
        api_change(201),
        method="POST",
        given=a_site,
        body={"certificates": [CERTIFICATE]},
    ),
    Row("api:certificate-match", api_change(200), method="POST", given=a_site),
]
