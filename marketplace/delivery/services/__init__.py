"""Writing deliveries: scheduled by the exchange, moved on by agents, people, and time."""

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
    "give_back",
    "may_hold",
    "schedule_new",
    "suspend",
    "take_step",
    "take_steps",
]
