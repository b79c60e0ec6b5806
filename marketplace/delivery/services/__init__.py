"""Writing deliveries: they are scheduled, agents move them on, the exchange ends what is overdue."""

from marketplace.delivery.services.overdue import fail_overdue
from marketplace.delivery.services.scheduling import schedule_new
from marketplace.delivery.services.steps import Step, StepConflict, StepRefused, take_step, take_steps

__all__ = ["Step", "StepConflict", "StepRefused", "fail_overdue", "schedule_new", "take_step", "take_steps"]
