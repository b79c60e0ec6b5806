"""Term agreements over the API: proposed, accepted, declined, withdrawn and amended by their two sides."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Organisation
from accounts.selectors import organisations_for
from marketplace.agreements import term_services
from marketplace.agreements.models import Agreement
from marketplace.agreements.term_services import TermInput
from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainDetailView, DomainGenericView, DomainListView
from marketplace.catalogue.models import AcceleratorModel, CurrencyCode, WorkloadClass
from marketplace.errors import InvalidInput
from marketplace.supply.serializers import Named
from marketplace.terms.models import TermAgreement, TermVersion
from marketplace.terms.selectors import term_agreements_for
from marketplace.terms.sheet import FORMAT, MOST_MONTHS, Sheet, Unit

LARGEST = 2**63 - 1
MOST_TIERS = 20


class VersionSerializer(serializers.ModelSerializer[TermVersion]):
    class Meta:
        model = TermVersion
        fields = (
            "number", "state", "from_month", "applies_from", "terms", "terms_digest", "proposed_by",
            "proposed_at", "closed_at",
        )  # fmt: skip


class TermSerializer(serializers.ModelSerializer[TermAgreement]):
    """``agreement`` is what its months are charged to, once it is concluded."""

    agreement = serializers.SerializerMethodField()
    model = serializers.SlugRelatedField[AcceleratorModel](
        slug_field="slug", read_only=True, allow_null=True, help_text="Of card-hours; null for nP-hours."
    )
    workload = serializers.CharField(help_text="Of nP-hours; empty for card-hours.")
    versions = VersionSerializer(many=True)

    class Meta:
        model = TermAgreement
        fields: ClassVar = [
            "id", "state", "buyer", "owner", "unit", "model", "workload", "currency", "time_zone",
            "months", "starts_at", "ends_at", "month_ends", "concluded_at", "agreement", "versions",
        ]  # fmt: skip

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_agreement(self, term: TermAgreement) -> int | None:
        return (
            Agreement.objects.filter(term=term, kind=Agreement.Kind.TERM).values_list("pk", flat=True).first()
        )


def _decimal(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=6, **options)


class TierForm(serializers.Serializer[Any]):
    above = _decimal(help_text="Of the quantity: 1.1 is a tenth more than it.")
    price = _decimal()


class SheetForm(serializers.Serializer[Any]):
    """The terms of each month, in the unit of the agreement."""

    quantity_a_month = _decimal()
    price_per_unit = _decimal()
    take_or_pay_share = _decimal(
        help_text="Of the quantity, what is paid whether it is taken or not: 0 to 1."
    )
    overage = serializers.ListField(child=TierForm(), max_length=MOST_TIERS, default=list)
    make_up_months = serializers.IntegerField(min_value=0, max_value=MOST_MONTHS, default=0)
    carry_forward_months = serializers.IntegerField(min_value=0, max_value=MOST_MONTHS, default=0)

    def sheet(self, unit: str) -> Sheet:
        return sheet_of(self.validated_data, unit)


def sheet_of(given: dict[str, Any], unit: str) -> Sheet:
    """From figures as decimals."""
    figures = {name: str(given[name]) for name in ("quantity_a_month", "price_per_unit", "take_or_pay_share")}
    tiers = [{name: str(tier[name]) for name in ("above", "price")} for tier in given["overage"]]
    rest = {name: given[name] for name in ("make_up_months", "carry_forward_months")}
    return Sheet.of_terms({"format": FORMAT, "unit": unit, "overage": tiers, **figures, **rest})


class OrganisationOfViewer(serializers.PrimaryKeyRelatedField[Organisation]):
    def get_queryset(self) -> QuerySet[Organisation]:
        return organisations_for(self.context["view"].viewer)


class TermForm(SheetForm):
    organisation = OrganisationOfViewer(required=False)
    counterparty = serializers.IntegerField(
        min_value=1, max_value=LARGEST, help_text="Its organisation's id."
    )
    unit = serializers.ChoiceField(choices=TermAgreement.Unit.choices, default=Unit.CARD_HOUR.value)
    model = Named(
        slug_field="slug",
        queryset=AcceleratorModel.objects.all(),
        required=False,
        help_text="The cards that it is for, where it is in card-hours.",
    )
    workload = serializers.ChoiceField(
        choices=WorkloadClass.choices,
        required=False,
        help_text="The class of work that it is for, where it is in nP-hours.",
    )
    currency = serializers.ChoiceField(choices=CurrencyCode.choices)
    time_zone = serializers.CharField(max_length=64, help_text="In which its months begin: Asia/Shanghai.")
    starts_at = serializers.DateTimeField(help_text="The beginning of its first month, still to come.")
    months = serializers.IntegerField(min_value=1, max_value=MOST_MONTHS)

    def term(self) -> TermInput:
        given = self.validated_data
        names = ("counterparty", "currency", "time_zone", "starts_at", "months")
        return TermInput(
            sheet=self.sheet(given["unit"]),
            model=given.get("model"),
            workload=given.get("workload", ""),
            **{name: given[name] for name in names},
        )


class AmendmentForm(SheetForm):
    from_month = serializers.IntegerField(
        min_value=0, max_value=MOST_MONTHS, help_text="From which month on, still to come; 0 is the first."
    )


class WithTerm(DomainGenericView[TermAgreement]):
    serializer_class = TermSerializer

    def found(self, pk: int) -> TermAgreement:
        return get_object_or_404(term_agreements_for(self.viewer), pk=pk)

    def shown(self, pk: int, code: int = status.HTTP_200_OK, **options: Any) -> Response:
        return Response(TermSerializer(self.found(pk)).data, status=code, **options)


class TermList(WithTerm, DomainListView[TermAgreement]):
    def get_queryset(self) -> QuerySet[TermAgreement]:
        return term_agreements_for(self.viewer)

    @extend_schema(request=TermForm, responses={201: TermSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Propose a term agreement to an organisation on the other side of the market."""
        form = TermForm(data=request.data, context={"view": self})
        form.is_valid(raise_exception=True)
        organisation = form.validated_data.get("organisation") or request.organisation  # type: ignore[attr-defined]
        if organisation is None:
            raise InvalidInput("For whom is it?", {"organisation": "Name the organisation."})
        made = term_services.propose_agreement(
            viewer=self.viewer, organisation=organisation, term=form.term(), now=self.now
        )
        headers = {"Location": f"{request.path}/{made.pk}"}
        return self.shown(made.pk, status.HTTP_201_CREATED, headers=headers)


class TermDetail(DomainDetailView[TermAgreement]):
    serializer_class = TermSerializer

    def get_queryset(self) -> QuerySet[TermAgreement]:
        return term_agreements_for(self.viewer)


class TermAmendments(WithTerm):
    @extend_schema(request=AmendmentForm, responses={201: TermSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Propose other terms for months to come. They count once the other side accepts them."""
        agreement = self.found(pk)
        form = AmendmentForm(data=request.data)
        form.is_valid(raise_exception=True)
        term_services.propose_amendment(
            viewer=self.viewer,
            agreement=agreement,
            sheet=form.sheet(agreement.unit),
            from_month=form.validated_data["from_month"],
            now=self.now,
        )
        return self.shown(pk, status.HTTP_201_CREATED)


class TermAcceptance(WithTerm):
    @extend_schema(request=None, responses={200: TermSerializer})
    @idempotent
    def post(self, request: Request, pk: int, number: int) -> Response:  # noqa: ARG002
        """Accept what the other side proposed. To accept version 1 concludes the agreement."""
        term_services.accept_terms(viewer=self.viewer, agreement=self.found(pk), number=number, now=self.now)
        return self.shown(pk)


class TermRefusal(WithTerm):
    @extend_schema(request=None, responses={200: TermSerializer})
    @idempotent
    def post(self, request: Request, pk: int, number: int) -> Response:  # noqa: ARG002
        """Decline what the other side proposed, or withdraw what yours did."""
        term_services.refuse_terms(viewer=self.viewer, agreement=self.found(pk), number=number, now=self.now)
        return self.shown(pk)
