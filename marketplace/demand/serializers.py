"""How requests look on the wire: everything is named by its slug."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import Organisation
from accounts.selectors import organisations_for
from marketplace.catalogue.models import CurrencyCode, Precision, Region, WorkloadClass
from marketplace.demand.groups import BudgetInput, ChoiceInput
from marketplace.demand.models import Alternative, Budget, Choice, ComputeRequest, OwnerCap
from marketplace.demand.rules import MOST_ALTERNATIVES, AlternativeInput, RequestInput
from marketplace.errors import InvalidInput

MOST_NAMES = 100


def _slugs(**options: Any) -> serializers.SlugRelatedField[Any]:
    return serializers.SlugRelatedField(slug_field="slug", read_only=True, **options)


class AlternativeSerializer(serializers.ModelSerializer[Alternative]):
    accelerator_models = _slugs(many=True)
    stacks = _slugs(many=True)
    near: serializers.SlugRelatedField[Region] = _slugs()

    class Meta:
        model = Alternative
        exclude = ("id", "request")


class RequestSerializer(serializers.ModelSerializer[ComputeRequest]):
    """``currencies_with_rate`` in the context are those in which orders are cleared at the moment."""

    alternatives = AlternativeSerializer(many=True, read_only=True)
    waits_for = serializers.SerializerMethodField(
        help_text="A fact without which an open request is not cleared: `fx_rate`, or null."
    )

    class Meta:
        model = ComputeRequest
        fields = (
            "id",
            "organisation",
            "title",
            "currency",
            "least_share",
            "shared_budget",
            "choice",
            "under",
            "state",
            "waits_for",
            "entered_at",
            "alternatives",
        )

    def get_waits_for(self, request: ComputeRequest) -> str | None:
        waits = request.state == ComputeRequest.State.OPEN
        return "fx_rate" if waits and request.currency not in self.context["currencies_with_rate"] else None


class BudgetSerializer(serializers.ModelSerializer[Budget]):
    spent = serializers.DecimalField(
        max_digits=60, decimal_places=18, read_only=True, help_text="The value of the agreements under it."
    )
    left = serializers.DecimalField(max_digits=60, decimal_places=18, read_only=True)

    class Meta:
        model = Budget
        fields = (
            "id",
            "organisation",
            "name",
            "currency",
            "amount",
            "spent",
            "left",
            "created_at",
            "closed_at",
        )


class ChoiceSerializer(serializers.ModelSerializer[Choice]):
    matched = serializers.IntegerField(read_only=True, help_text="Requests that are matched already.")
    left = serializers.IntegerField(read_only=True)

    class Meta:
        model = Choice
        fields = ("id", "organisation", "name", "most", "matched", "left", "created_at", "closed_at")


class OwnerCapSerializer(serializers.ModelSerializer[OwnerCap]):
    class Meta:
        model = OwnerCap
        fields = ("organisation", "card_hours", "changed_at")


class RequestQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=ComputeRequest.State.choices, required=False)


class OrganisationOfViewer(serializers.PrimaryKeyRelatedField[Organisation]):
    def get_queryset(self) -> QuerySet[Organisation]:
        return organisations_for(self.context["view"].viewer)


def _names(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=50), max_length=MOST_NAMES, required=False, **options
    )


def _decimal(max_digits: int, decimal_places: int, **options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=max_digits, decimal_places=decimal_places, **options)


OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}


class AlternativeForm(serializers.Serializer[Any]):
    """Whether the figures make sense is for the rules to say; here they are only parsed."""

    unit = serializers.ChoiceField(choices=Alternative.AmountUnit.choices)
    amount = _decimal(14, 6)
    workload = serializers.ChoiceField(choices=WorkloadClass.choices)
    earliest_start = serializers.DateTimeField()
    hours = serializers.IntegerField()
    deadline = serializers.DateTimeField()
    limit = _decimal(18, 6, **OPTIONAL)
    budget = _decimal(18, 2, **OPTIONAL)
    accelerator_models = _names()
    stacks = _names()
    careful = serializers.BooleanField(required=False)
    gangs = serializers.IntegerField(
        required=False,
        help_text="In how many equal parts, each on one site and one fabric; 0 (the default): any cards.",
    )
    divisible = serializers.BooleanField(
        required=False, help_text="`amount × hours` in all, at any hours of the window and from any offers."
    )
    interruptible = serializers.BooleanField(
        required=False, help_text="Only with `divisible`: the work may pause once it has begun."
    )
    precision = serializers.ChoiceField(choices=Precision.choices, required=False, allow_blank=True)
    memory_gb = _decimal(8, 2, **OPTIONAL)
    near = serializers.CharField(max_length=50, allow_blank=True, **OPTIONAL)
    round_trip_ms = _decimal(8, 3, **OPTIONAL)
    bandwidth_mbps = serializers.IntegerField(**OPTIONAL)
    jurisdictions = _names()
    renewable_share = _decimal(7, 6, **OPTIONAL)
    carbon = _decimal(8, 3, **OPTIONAL)
    verification = serializers.IntegerField(**OPTIONAL)
    notice_minutes = serializers.IntegerField(**OPTIONAL)


class WantedForm(serializers.Serializer[Any]):
    """What somebody wants, whoever it is and whatever it is called."""

    currency = serializers.ChoiceField(choices=CurrencyCode.choices)
    least_share = _decimal(7, 6, default=Decimal(1))
    alternatives = serializers.ListField(
        child=AlternativeForm(), allow_empty=False, max_length=MOST_ALTERNATIVES
    )

    def request_input(self) -> RequestInput:
        given = self.validated_data
        return RequestInput(
            title=given.get("title", ""),
            currency=given["currency"],
            least_share=given["least_share"],
            shared_budget=given.get("shared_budget"),
            choice=given.get("choice"),
            under=given.get("under"),
            alternatives=[_alternative(row) for row in given["alternatives"]],
        )


class RequestForm(WantedForm):
    organisation = OrganisationOfViewer(required=False)
    title = serializers.CharField(max_length=120)
    shared_budget = serializers.IntegerField(**OPTIONAL, help_text="An open budget, in this currency.")
    choice = serializers.IntegerField(**OPTIONAL, help_text="An open choice.")
    under = serializers.IntegerField(
        **OPTIONAL, help_text="A term agreement to call something off under, at its price: state no limit."
    )


def _alternative(row: dict[str, Any]) -> AlternativeInput:
    lists = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    return AlternativeInput(**row | lists | {"near": row.get("near") or ""})


class BudgetForm(serializers.Serializer[Any]):
    organisation = OrganisationOfViewer(required=False)
    name = serializers.CharField(max_length=80)
    currency = serializers.ChoiceField(choices=CurrencyCode.choices)
    amount = _decimal(18, 2)

    def budget(self) -> BudgetInput:
        given = self.validated_data
        return BudgetInput(given["name"], given["currency"], given["amount"])


class ChoiceForm(serializers.Serializer[Any]):
    organisation = OrganisationOfViewer(required=False)
    name = serializers.CharField(max_length=80)
    most = serializers.IntegerField()

    def choice(self) -> ChoiceInput:
        return ChoiceInput(self.validated_data["name"], self.validated_data["most"])


class OwnerCapForm(serializers.Serializer[Any]):
    card_hours = serializers.IntegerField()


def organisation_of(request: Request, form: RequestForm | BudgetForm | ChoiceForm) -> Organisation:
    """The organisation that the input names, or the one that the caller works for."""
    organisation: Organisation | None = form.validated_data.get("organisation") or request.organisation  # type: ignore[attr-defined]
    if organisation is None:
        raise InvalidInput("For whom is it?", {"organisation": "Name the organisation."})
    return organisation
