"""How the cards of a request come together: one question of the form, three fields of an alternative."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from marketplace.demand.models import Alternative


class Together(models.TextChoices):
    """The answers, in words a workload owner knows."""

    ANYWHERE = "anywhere", _("Anywhere, all at the same hours")
    ONE_PLACE = "one_place", _("All in one place: one site, one fabric")
    GROUPS = "groups", _("In several equal groups at the same hours, each in one place")
    SPREAD = "spread", _("No matter: spread the work over the window")


@dataclass(frozen=True, slots=True)
class Answer:
    """``gangs`` belongs to ``GROUPS`` and ``interruptible`` to ``SPREAD``; elsewhere they mean nothing."""

    together: str = Together.ANYWHERE
    gangs: int | None = None
    interruptible: bool = False

    @classmethod
    def of(cls, alternative: Alternative) -> Self:
        if alternative.divisible:
            return cls(Together.SPREAD, interruptible=alternative.interruptible)
        if alternative.gangs > 1:
            return cls(Together.GROUPS, gangs=alternative.gangs)
        return cls(Together.ONE_PLACE if alternative.gangs else Together.ANYWHERE)

    def fields(self) -> Mapping[str, int | bool]:
        """The fields of an alternative."""
        gangs = {Together.ONE_PLACE: 1, Together.GROUPS: self.gangs or 0}.get(Together(self.together), 0)
        spread = self.together == Together.SPREAD
        return {"gangs": gangs, "divisible": spread, "interruptible": spread and self.interruptible}
