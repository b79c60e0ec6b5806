"""Writing deliveries: scheduled by the exchange, moved on by agents, people, and time."""

from marketplace.delivery.services.access import give_access, may_see_access, show_access
from marketplace.delivery.services.overdue import fail_overdue
from marketplace.delivery.services.people import evict, give_back, may_hold, suspend
from marketplace.delivery.services.scheduling import schedule_new
from marketplace.delivery.services.steps import StepConflict, StepRefused, take_step, take_steps
from marketplace.delivery.services.writing import Step

__all__ = [
    "Step",
    "StepConflict",
    "StepRefused",
    "evict",
    "fail_overdue",
    "give_access",
    "give_back",
    "may_hold",
    "may_see_access",
    "schedule_new",
    "show_access",
    "suspend",
    "take_step",
    "take_steps",
]
