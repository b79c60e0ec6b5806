"""The requirement builder: a request with up to three alternatives. The rules judge; here is only parsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.requests import LARGEST_ID
from marketplace.catalogue.models import (
    CurrencyCode,
    Precision,
    WorkloadClass,
)
from marketplace.clock import HOUR
from marketplace.demand.choices import Groups, Names
from marketplace.demand.models import MOST_GANGS, Alternative, ComputeRequest
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.demand.together import Answer, Together
from marketplace.demand.words import LEVELS
from marketplace.errors import DomainError, InvalidInput
from marketplace.web.fields import Boxes, ExactField, HourField, PercentField

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST = 3
LARGEST = 2**31 - 1
PREFIX = "alternatives"
USUAL_HOURS = 24


class RequestForm(forms.Form):
    title = forms.CharField(label=_("Title"), max_length=120, help_text=_("What you will know it by."))
    currency = forms.ChoiceField(label=_("Currency"), choices=CurrencyCode.choices)
    least_share = PercentField(
        label=_("Take at least"),
        initial=Decimal(1),
        help_text=_("100 % is all or nothing; 25 % also takes a quarter of the amount."),
    )
    # Whether there is such a group is for the service to say: the panel of the quote does not ask.
    shared_budget = forms.IntegerField(
        label=_("Under the budget"), required=False, widget=forms.Select, max_value=LARGEST_ID
    )
    choice = forms.IntegerField(
        label=_("Under the choice"), required=False, widget=forms.Select, max_value=LARGEST_ID
    )

    under = forms.IntegerField(
        label=_("Call off under"),
        required=False,
        widget=forms.Select,
        max_value=LARGEST_ID,
        help_text=_("The agreed price is then the limit: leave limit and budget empty."),
    )

    def __init__(self, *args: Any, groups: Groups, **options: Any) -> None:
        super().__init__(*args, **options)
        choices = {"shared_budget": groups.budgets, "choice": groups.choices, "under": groups.agreements}
        for name, each in choices.items():
            widget = self.fields[name].widget
            if isinstance(widget, forms.Select):
                widget.choices = [("", _("None")), *each]


def _several(label: StrOrPromise, columns: str) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(label=label, required=False, widget=Boxes(columns))


class AlternativeForm(forms.Form):
    """One way to satisfy a request. What is left empty is no constraint."""

    amount = ExactField(label=pgettext_lazy("request", "Amount"), max_digits=14, decimal_places=6, initial=8)
    unit = forms.ChoiceField(label=_("Counted in"), choices=Alternative.AmountUnit.choices)
    workload = forms.ChoiceField(label=_("Workload"), choices=WorkloadClass.choices)
    hours = forms.IntegerField(label=_("For how long"), initial=USUAL_HOURS, max_value=LARGEST)
    earliest_start = HourField(label=_("Not before"))
    deadline = HourField(label=_("Done by"))
    together = forms.ChoiceField(
        label=_("How must the cards come together?"),
        choices=Together.choices,
        initial=Together.ANYWHERE,
        help_text=_(
            "One place for training that exchanges gradients. "
            "Where it is spread, the work is the amount times the hours, at any hours of the window."
        ),
    )
    gangs = forms.IntegerField(
        label=_("Number of groups"),
        required=False,
        min_value=2,
        max_value=MOST_GANGS,
        help_text=_("Where there are several; the amount is shared equally."),
    )
    interruptible = forms.BooleanField(
        label=_("The work may pause in between"),
        required=False,
        help_text=_("Where it is spread over the window; it can then be cheaper."),
    )
    limit = ExactField(
        label=_("Limit"),
        max_digits=18,
        decimal_places=6,
        required=False,
        help_text=_("A limit or a budget: one of the two."),
    )
    budget = ExactField(label=_("or budget for the whole"), max_digits=18, decimal_places=2, required=False)

    precision = forms.ChoiceField(
        label=_("Precision"), choices=[("", _("Any")), *Precision.choices], required=False
    )
    memory_gb = ExactField(
        label=_("Memory per card, at least"), max_digits=8, decimal_places=2, required=False
    )
    careful = forms.BooleanField(
        label=_("Count cards at the lower end of their error band"),
        required=False,
        help_text=_("For amounts in nP: you get enough even where an estimate was too high."),
    )
    accelerator_models = _several(_("Only these models"), "grid sm:grid-cols-2 gap-x-4")
    stacks = _several(_("Only these software stacks"), "grid sm:grid-cols-2 gap-x-4")

    jurisdictions = _several(_("Only in these jurisdictions"), "grid grid-cols-2 sm:grid-cols-3 gap-x-4")
    near = forms.ChoiceField(label=_("Near"), required=False)
    round_trip_ms = ExactField(label=_("Round trip, at most"), max_digits=8, decimal_places=3, required=False)
    bandwidth_mbps = forms.IntegerField(label=_("Bandwidth, at least"), required=False, max_value=LARGEST)

    renewable_share = PercentField(label=_("Renewable power, at least"), required=False)
    carbon = ExactField(label=_("Carbon, at most"), max_digits=8, decimal_places=3, required=False)
    verification = forms.TypedChoiceField(
        label=_("Verification, at least"), required=False, coerce=int, empty_value=None
    )
    notice_minutes = forms.IntegerField(
        label=_("Notice before an interruption, at least"), required=False, max_value=LARGEST
    )

    def __init__(self, *args: Any, names: Names, **options: Any) -> None:
        super().__init__(*args, **options)
        choices = {
            "accelerator_models": names.models,
            "stacks": names.stacks,
            "jurisdictions": names.jurisdictions,
            "near": names.regions,
            "verification": [("", _("Any")), *((str(level), say()) for level, say in LEVELS.items())],
        }
        for name, each in choices.items():
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = each

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        number_is_missing = data.get("gangs") is None and "gangs" not in self.errors
        if data.get("together") == Together.GROUPS and number_is_missing:
            self.add_error("gangs", _("Say how many groups, 2 or more."))
        return data

    def alternative(self) -> AlternativeInput:
        data = dict(self.cleaned_data)
        lists = {name: tuple(data[name]) for name in ("accelerator_models", "stacks", "jurisdictions")}
        answer = Answer(data.pop("together"), data.pop("gangs"), data.pop("interruptible"))
        return AlternativeInput(**{**data, **lists, **answer.fields()})

    def sections(self) -> Iterator[tuple[object, object, str, bool]]:
        """Title, what it is about, template and whether it is open, of what most requests leave empty."""
        for title, about, template, names in SECTIONS:
            yield title, about, template, any(self[name].value() or self[name].errors for name in names)


SECTIONS = (
    (
        _("The place"),
        _("jurisdiction, round trip, bandwidth"),
        "demand/place.html",
        ("jurisdictions", "near", "round_trip_ms", "bandwidth_mbps"),
    ),
    (
        _("Power and trust"),
        _("renewable share, carbon, verification, notice"),
        "demand/power.html",
        ("renewable_share", "carbon", "verification", "notice_minutes"),
    ),
    (
        _("The cards"),
        _("memory, precision, software, models"),
        "demand/cards.html",
        ("precision", "memory_gb", "careful", "accelerator_models", "stacks"),
    ),
    (
        _("Groups and pauses"),
        _("several places, work that may pause"),
        "demand/together.html",
        ("gangs", "interruptible"),
    ),
)
MANY = ("accelerator_models", "stacks", "jurisdictions")
ANSWER = ("together", "gangs", "interruptible")


class Builder:
    """The request and its alternatives as one form."""

    def __init__(self, request: RequestForm, alternatives: Sequence[AlternativeForm]) -> None:
        self.request, self.alternatives = request, list(alternatives)

    @classmethod
    def opened(
        cls, request: Mapping[str, Any], alternatives: Sequence[Mapping[str, Any]], groups: Groups
    ) -> Builder:
        """Filled in, and not judged yet."""
        names = Names.load()
        return cls(
            RequestForm(initial=dict(request), groups=groups),
            [
                AlternativeForm(initial=dict(each), prefix=f"{PREFIX}-{position}", names=names)
                for position, each in enumerate(alternatives)
            ],
        )

    @classmethod
    def sent(cls, data: QueryDict, groups: Groups | None = None) -> Builder:
        names = Names.load()
        return cls(
            RequestForm(data, groups=groups or Groups()),
            [
                AlternativeForm(data, prefix=f"{PREFIX}-{position}", names=names)
                for position in range(number_of_alternatives(data))
            ],
        )

    @classmethod
    def rearranged(cls, data: QueryDict, groups: Groups) -> Builder:
        """With an alternative more, a copy of the last one, or without the one that ``remove`` names."""
        typed = [_typed(data, position) for position in range(number_of_alternatives(data))]
        removed = data.get("remove", "")
        if removed.isdecimal() and len(removed) < 3 and int(removed) < len(typed) > 1:
            del typed[int(removed)]
        elif "add" in data and len(typed) < MOST:
            typed.append(dict(typed[-1]))
        builder = cls.opened({name: data.get(name, "") for name in RequestForm.base_fields}, typed, groups)
        # The reader goes on where something has changed, not at the top of the page.
        builder.alternatives[-1].fields["workload"].widget.attrs["autofocus"] = True
        return builder

    @property
    def errors(self) -> bool:
        return any(form.errors for form in self.forms)

    @property
    def forms(self) -> list[forms.Form]:
        return [self.request, *self.alternatives]

    @property
    def is_full(self) -> bool:
        return len(self.alternatives) >= MOST

    def is_valid(self) -> bool:
        return not [form for form in self.forms if not form.is_valid()]

    def request_input(self) -> RequestInput:
        return RequestInput(
            **self.request.cleaned_data, alternatives=[form.alternative() for form in self.alternatives]
        )

    def alternatives_are_valid(self) -> bool:
        """Whether everything but the title is given."""
        request_is = self.request.is_valid() or set(self.request.errors) <= {"title"}
        return all([request_is, *(form.is_valid() for form in self.alternatives)])

    def draft(self) -> RequestInput:
        """What is asked for, before it has a title."""
        return RequestInput(
            title="",
            currency=self.request.cleaned_data["currency"],
            least_share=self.request.cleaned_data["least_share"],
            under=self.request.cleaned_data["under"],
            alternatives=[form.alternative() for form in self.alternatives],
        )

    def refuse(self, refusal: DomainError) -> None:
        """Put each problem beside its field; those of alternatives are named ``alternatives.0.deadline``."""
        problems = refusal.fields if isinstance(refusal, InvalidInput) else {}
        for name, text in problems.items():
            self._mark(name, text)
        if not problems:
            self.request.add_error(None, refusal.message)

    def _mark(self, name: str, text: str) -> None:
        parts = name.split(".")
        form: forms.Form = self.request
        if len(parts) == 3 and parts[1].isdecimal() and int(parts[1]) < len(self.alternatives):
            form = self.alternatives[int(parts[1])]
        form.add_error(parts[-1] if parts[-1] in form.fields else None, text)


def number_of_alternatives(data: QueryDict) -> int:
    number = data.get(PREFIX, "1")
    return min(max(int(number), 1), MOST) if number.isdecimal() and len(number) < 3 else 1


def _typed(data: QueryDict, position: int) -> dict[str, Any]:
    """What was typed for one alternative, as it was typed."""
    found = {}
    for name in AlternativeForm.base_fields:
        key = f"{PREFIX}-{position}-{name}"
        found[name] = data.getlist(key) if name in MANY else data.get(key, "")
    return found


def empty_alternative(start: datetime) -> dict[str, Any]:
    return {"earliest_start": start, "deadline": start + 3 * USUAL_HOURS * HOUR}


def of_request(request: ComputeRequest) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A request as the builder's fields, to be asked again."""
    fields = {
        "title": request.title,
        "currency": request.currency,
        "least_share": request.least_share,
        "shared_budget": request.shared_budget_id,
        "choice": request.choice_id,
        "under": request.under_id,
    }
    return fields, [_of_alternative(each) for each in list(request.alternatives.all())[:MOST]]


def _of_alternative(alternative: Alternative) -> dict[str, Any]:
    plain = {
        name: getattr(alternative, name)
        for name in AlternativeForm.base_fields
        if name not in (*MANY, *ANSWER, "near")
    }
    answer = Answer.of(alternative)
    return (
        plain
        | {name: getattr(answer, name) for name in ANSWER}
        | {
            "near": alternative.near.slug if alternative.near else "",
            "accelerator_models": [model.slug for model in alternative.accelerator_models.all()],
            "stacks": [stack.slug for stack in alternative.stacks.all()],
            "jurisdictions": list(alternative.jurisdictions),
        }
    )


def changed(alternative: dict[str, Any], query: QueryDict) -> dict[str, Any]:
    """With the fields that a link names: lists take one more, everything else is replaced."""
    given: dict[str, Any] = {}
    for name in (name for name in AlternativeForm.base_fields if name in query):
        values = [str(value) for value in query.getlist(name)]
        if name in MANY:
            given[name] = list(dict.fromkeys([*alternative.get(name, ()), *values]))
        else:
            given[name] = _shown(name, values[-1])
    return alternative | given


def _shown(name: str, text: str) -> Any:
    """A value of a link as the form shows it: times in the reader's zone, shares in percent."""
    try:
        if name in {"earliest_start", "deadline"}:
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else ""
        if name == "renewable_share" and text:
            return Decimal(text)
    except (ValueError, ArithmeticError):
        return ""
    return text


def still_ahead(alternative: dict[str, Any], start: datetime) -> dict[str, Any]:
    """The same, moved on where it lies in the past: its window keeps its length."""
    earliest, deadline = alternative["earliest_start"], alternative["deadline"]
    if not isinstance(earliest, datetime) or not isinstance(deadline, datetime) or earliest >= start:
        return alternative
    if deadline >= start + int(alternative["hours"]) * HOUR:
        return alternative | {"earliest_start": start}
    return alternative | {"earliest_start": start, "deadline": start + (deadline - earliest)}
