"""Agents: their owner and the exchange see them; its administrators let them in and turn them away."""

from __future__ import annotations

from marketplace.agent.identity import Key
from tests.agents_at_work import agent_of
from tests.cast import Cast
from tests.permissions.objects import a_site, owners_site
from tests.permissions.rows.api_delivery import agents
from tests.permissions.table import Row, everybody, only, page

NEW_KEY = {"public_key": Key.new().public}
HEARTBEAT = {
    "version": "0.1.0",
    "driver": "slurm",
    "unsent": 0,
    "unsent_since": None,
    "reconciled_at": None,
    "site_time": 1_772_442_000,
}
IDLE = {"slot": "2026-03-02T07:00:00Z", "cards": [{"card": "n1/0", "meters": {"power.mean": 71}}]}
ADMINISTRATORS = only(302, "admin", counterparty=404)


def an_agent(cast: Cast) -> dict[str, object]:
    site = owners_site(cast)
    agent_of(cast.owner)
    return {"pk": site.pk}


ROWS = [
    Row("agents:list", page(stranger=200, counterparty=200)),
    Row("agents:site", page(counterparty=404), given=an_agent),
    Row("agents:new_code", only(200, "admin", counterparty=404), method="POST", given=a_site),
    Row("agents:revoke_code", ADMINISTRATORS, method="POST", given=a_site),
    Row("agents:revoke", ADMINISTRATORS, method="POST", given=an_agent),
    # Without a signature nobody enrols, whoever it is.
    Row(
        "api:agent-enrolment",
        everybody(401) | {"token_read": 401},
        method="POST",
        body=NEW_KEY | {"code": "che_guessed"},
    ),
    Row("api:agent-self", agents(token_stranger=200)),
    Row("api:agent-key", agents(token_stranger=200), method="POST", body=NEW_KEY),
    Row("api:agent-idle-cards", agents(token_stranger=200), method="POST", body=IDLE),
    Row("api:agent-heartbeat", agents(token_stranger=200), method="POST", body=HEARTBEAT),
]
