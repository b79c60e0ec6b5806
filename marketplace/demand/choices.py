"""What the forms of requests offer to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Self

from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from marketplace.catalogue.jurisdictions import jurisdiction_name
from marketplace.catalogue.models import AcceleratorModel, Region, SoftwareStack
from marketplace.demand.models import Budget, Choice
from marketplace.terms.selectors import can_be_called_off

Choices = Sequence[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Names:
    """What may be chosen by name, read once for all alternatives of a page."""

    models: Choices
    stacks: Choices
    regions: Choices
    jurisdictions: Choices

    @classmethod
    def load(cls) -> Self:
        models = AcceleratorModel.objects.filter(memory_gb__isnull=False)
        regions = list(Region.objects.order_by("country", "name_en"))
        named = {code: jurisdiction_name(code) for code in {region.jurisdiction for region in regions}}
        return cls(
            models=[(model.slug, str(model)) for model in models],
            stacks=[(stack.slug, str(stack)) for stack in SoftwareStack.objects.order_by("name")],
            regions=[("", _("Anywhere")), *((region.slug, str(region)) for region in regions)],
            jurisdictions=sorted(named.items(), key=itemgetter(1)),
        )


@dataclass(frozen=True, slots=True)
class Groups:
    """The open budgets and choices of a buyer, and the term agreements under way, to be chosen from."""

    budgets: Choices = ()
    choices: Choices = ()
    agreements: Choices = ()

    @classmethod
    def of(cls, organisation: Organisation, *, now: datetime) -> Self:
        budgets = Budget.objects.filter(organisation=organisation, closed_at=None).order_by("name")
        choices = Choice.objects.filter(organisation=organisation, closed_at=None).order_by("name")
        return cls(
            budgets=[(str(each.pk), f"{each}, {each.currency}") for each in budgets],
            choices=[(str(each.pk), str(each)) for each in choices],
            agreements=[
                (str(each.pk), f"{each}, {each.owner}") for each in can_be_called_off(organisation, now=now)
            ],
        )

    def __bool__(self) -> bool:
        return bool(self.budgets or self.choices)
