"""How requests look on the wire: everything is named by its slug."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import Organisation
from accounts.selectors import organisations_for
from marketplace.catalogue.models import CurrencyCode, Precision, Region, WorkloadClass
from marketplace.demand.models import Alternative, ComputeRequest
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
    alternatives = AlternativeSerializer(many=True, read_only=True)

    class Meta:
        model = ComputeRequest
        fields = (
            "id",
            "organisation",
            "title",
            "currency",
            "least_share",
            "state",
            "entered_at",
            "alternatives",
        )


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
    gang = serializers.BooleanField(required=False)
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


class RequestForm(serializers.Serializer[Any]):
    organisation = OrganisationOfViewer(required=False)
    title = serializers.CharField(max_length=120)
    currency = serializers.ChoiceField(choices=CurrencyCode.choices)
    least_share = _decimal(7, 6, default=1)
    alternatives = serializers.ListField(
        child=AlternativeForm(), allow_empty=False, max_length=MOST_ALTERNATIVES
    )

    def request_input(self) -> RequestInput:
        given = self.validated_data
        return RequestInput(
            title=given["title"],
            currency=given["currency"],
            least_share=given["least_share"],
            alternatives=[_alternative(row) for row in given["alternatives"]],
        )


def _alternative(row: dict[str, Any]) -> AlternativeInput:
    lists = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    return AlternativeInput(**row | lists | {"near": row.get("near") or ""})


def organisation_of(request: Request, form: RequestForm) -> Organisation:
    """The organisation that the input names, or the one that the caller works for."""
    organisation: Organisation | None = form.validated_data.get("organisation") or request.organisation  # type: ignore[attr-defined]
    if organisation is None:
        raise InvalidInput("For whom is it?", {"organisation": "Name the organisation."})
    return organisation
