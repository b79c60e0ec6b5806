"""What owners do with a delivery: whoever trades for the site's owner. Ending it, operators as well."""

from __future__ import annotations

from marketplace.agent.sealing import seal
from marketplace.delivery.models import AccessDetails, OrganisationKey
from marketplace.delivery.services.access import ensure_keys
from tests.cast import Cast
from tests.factories import START
from tests.permissions.objects import a_delivery, the_active_delivery
from tests.permissions.table import Row, only

OWN = only(200, "trader", "admin", counterparty=403)
CHANGE = only(302, "trader", "admin", counterparty=403)
WHY = {"reason": "A pump broke"}


def an_active_delivery(cast: Cast) -> dict[str, object]:
    return {"pk": the_active_delivery(cast).pk}


def an_accessible_delivery(cast: Cast) -> dict[str, object]:
    delivery = the_active_delivery(cast)
    ensure_keys({delivery.agreement.buyer_id}, now=START)
    key = OrganisationKey.objects.get().public_key
    sealed = seal({"login": "ssh site"}, public_key=key, delivery=delivery.pk)
    AccessDetails.objects.create(delivery=delivery, sealed=sealed, given_at=START)
    return {"pk": delivery.pk}


ROWS = [
    Row(
        "delivery:access",
        only(200, "trader", "admin", counterparty=403),
        method="POST",
        of="buyer",
        given=an_accessible_delivery,
    ),
    Row("delivery:suspend", OWN, given=a_delivery),
    Row("delivery:suspend", CHANGE, method="POST", given=an_active_delivery, body=WHY),
    Row("delivery:give_back", CHANGE, method="POST", given=a_delivery),
    Row("delivery:evict", OWN | {"operator": 200}, given=a_delivery),
    Row("delivery:evict", CHANGE | {"operator": 302}, method="POST", given=a_delivery, body=WHY),
]
