"""What owners do with a delivery: whoever trades for the site's owner. Ending it, operators as well."""

from __future__ import annotations

from tests.cast import Cast
from tests.permissions.objects import a_delivery, the_active_delivery
from tests.permissions.table import Row, only

OWN = only(200, "trader", "admin", counterparty=403)
CHANGE = only(302, "trader", "admin", counterparty=403)
WHY = {"reason": "A pump broke"}


def an_active_delivery(cast: Cast) -> dict[str, object]:
    return {"pk": the_active_delivery(cast).pk}


ROWS = [
    Row("delivery:suspend", OWN, given=a_delivery),
    Row("delivery:suspend", CHANGE, method="POST", given=an_active_delivery, body=WHY),
    Row("delivery:give_back", CHANGE, method="POST", given=a_delivery),
    Row("delivery:evict", OWN | {"operator": 200}, given=a_delivery),
    Row("delivery:evict", CHANGE | {"operator": 302}, method="POST", given=a_delivery, body=WHY),
]
