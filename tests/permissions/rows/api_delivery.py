"""Deliveries over the API: both parties read, the agent of the site moves them on, the clock is public."""

from __future__ import annotations

from tests.cast import Cast
from tests.conftest import NOW
from tests.permissions.objects import a_delivery, listed, the_delivery
from tests.permissions.table import PARTIES, Expected, Row, api, api_list, api_object, everybody

PROVISIONING = {"to": "provisioning", "at": NOW, "report": {"host": "n1"}}


def agents(**others: int) -> Expected:
    """Tokens with the scope agent; no person, whatever their role, not even the exchange's."""
    tokens = {"token_read": 403, "token_trade": 403, "token_agent": 200}
    return api(403, stranger=403, counterparty=403) | tokens | others


def many_steps(cast: Cast) -> dict[str, object]:
    return {"transitions": [PROVISIONING | {"delivery": the_delivery(cast).pk}]}


def trips(cast: Cast) -> dict[str, object]:
    return {"site": the_delivery(cast).site_id, "measurements": []}


ROWS = [
    Row("api:clock", everybody()),
    Row("api:delivery-list", api_list(), given=listed(a_delivery), shown_to=PARTIES),
    Row("api:delivery-list", api_list(), of="buyer", given=listed(a_delivery), shown_to=PARTIES),
    Row("api:delivery-detail", api_object(counterparty=200), given=a_delivery),
    Row("api:delivery-detail", api_object(counterparty=200), of="buyer", given=a_delivery),
    Row(
        "api:agent-delivery-list",
        agents(token_stranger=200),
        given=listed(a_delivery),
        shown_to=frozenset({"token_agent"}),
    ),
    Row("api:agent-changes", agents(token_stranger=200)),
    Row("api:agent-delivery-detail", agents(token_stranger=404), given=a_delivery),
    # A buyer's agent token finds no site of the buyer's.
    Row(
        "api:agent-delivery-detail", agents(token_agent=404, token_stranger=404), of="buyer", given=a_delivery
    ),
    Row("api:agent-step", agents(token_stranger=404), method="POST", given=a_delivery, body=PROVISIONING),
    Row(
        "api:agent-step",
        agents(token_agent=404, token_stranger=404),
        method="POST",
        of="buyer",
        given=a_delivery,
        body=PROVISIONING,
    ),
    Row(
        "api:agent-access",
        agents(token_agent=204, token_stranger=404),
        method="POST",
        given=a_delivery,
        body={"sealed": "c2VhbGVk"},
    ),
    Row("api:agent-probe-list", agents(token_stranger=200, token_trade=403)),
    Row("api:agent-round-trip-list", agents(token_agent=204, token_stranger=404), method="POST", body=trips),
    # Each step is answered on its own: a stranger's with 404, inside of the answer.
    Row("api:agent-step-list", agents(token_stranger=200), method="POST", body=many_steps),
]
