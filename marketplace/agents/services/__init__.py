"""Writing agents: they enrol, change their keys, tell of themselves, and are missed when they do not."""

from marketplace.agents.services.codes import CodeRefused, make_code, revoke_code
from marketplace.agents.services.enrolling import Enrolled, create_agent, enrol
from marketplace.agents.services.hearing import Heartbeat, hear, miss_agents
from marketplace.agents.services.idling import store_idle_hour
from marketplace.agents.services.rotating import announce_key, begin_next_key

__all__ = [
    "CodeRefused",
    "Enrolled",
    "Heartbeat",
    "announce_key",
    "begin_next_key",
    "create_agent",
    "enrol",
    "hear",
    "make_code",
    "miss_agents",
    "revoke_code",
    "store_idle_hour",
]
