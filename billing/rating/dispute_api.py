"""The API of disputes, and of what buyers report that they saw."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.query import Filters
from billing.rating.comparisons import comparisons_of
from billing.rating.disputes import answer_dispute, correct_charges, open_dispute, uphold_charges
from billing.rating.models import Charge, Dispute, DisputeEntry, UsageReport
from billing.rating.selectors import charges_for, disputes_for, usage_reports_for
from billing.rating.usage_reports import Seen, report_usage
from marketplace.agreements.models import Agreement
from marketplace.agreements.selectors import agreements_for
from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainDetailView, DomainGenericView, DomainListView
from marketplace.errors import InvalidInput

LARGEST = 2**63 - 1


class DisputeSerializer(serializers.ModelSerializer[Dispute]):
    slots = serializers.IntegerField(source="slot_count")

    class Meta:
        model = Dispute
        fields = (
            "id", "agreement", "state", "reason", "opened_at", "closed_at", "reason_of_outcome", "slots",
        )  # fmt: skip


class EntrySerializer(serializers.ModelSerializer[DisputeEntry]):
    side = serializers.CharField(help_text="buyer or owner")

    class Meta:
        model = DisputeEntry
        fields = ("side", "text", "entered_at")


class ComparisonSerializer(serializers.Serializer[Any]):
    """Card-seconds of an hour; null where nothing was reported or decided."""

    slot = serializers.DateTimeField()
    allocated = serializers.IntegerField(allow_null=True, help_text="what the site reported")
    active = serializers.IntegerField(allow_null=True)
    reported = serializers.IntegerField(allow_null=True, help_text="what the buyer reported last")
    note = serializers.CharField()
    difference = serializers.IntegerField(allow_null=True, help_text="reported less allocated")
    charged = serializers.IntegerField()
    decided = serializers.IntegerField(allow_null=True)


class DisputeDetailSerializer(DisputeSerializer):
    slots = serializers.SerializerMethodField()  # type: ignore[assignment]  # a list where the other has a count
    entries = EntrySerializer(many=True)

    class Meta(DisputeSerializer.Meta):
        fields = (*DisputeSerializer.Meta.fields, "entries")  # type: ignore[assignment]

    @extend_schema_field(ComparisonSerializer(many=True))
    def get_slots(self, dispute: Dispute) -> Any:
        return ComparisonSerializer(comparisons_of(dispute), many=True).data


class DisputeForm(serializers.Serializer[Any]):
    """Of one charge's hour, or without a charge of all hours of the agreement that can be disputed."""

    agreement = serializers.IntegerField(min_value=1, max_value=LARGEST)
    charge = serializers.IntegerField(min_value=1, max_value=LARGEST, required=False)
    reason = serializers.CharField(max_length=1000)


class AnswerForm(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=2000)


class SlotQuantity(serializers.Serializer[Any]):
    slot = serializers.DateTimeField()
    quantity = serializers.IntegerField(min_value=0, max_value=LARGEST)


class DecisionForm(serializers.Serializer[Any]):
    """Without quantities the charges are upheld; with them these hours are corrected."""

    reason = serializers.CharField(max_length=1000)
    quantities = SlotQuantity(many=True, required=False)


def agreement_named(viewer: Any, pk: int) -> Agreement:
    found = agreements_for(viewer).filter(pk=pk).first()
    if found is None:
        raise InvalidInput(_("Nothing was entered."), {"agreement": _("There is no such agreement.")})
    return found


class WithDispute(DomainGenericView[Dispute]):
    serializer_class = DisputeSerializer

    def shown(self, pk: int, code: int = status.HTTP_200_OK) -> Response:
        dispute = disputes_for(self.viewer).prefetch_related("entries").get(pk=pk)
        return Response(DisputeDetailSerializer(dispute).data, status=code)


class DisputeList(WithDispute, DomainListView[Dispute]):
    filters = Filters(integers={"agreement": "agreement"}, texts={"state": "state"})

    def get_queryset(self) -> QuerySet[Dispute]:
        return self.filters.apply(disputes_for(self.viewer), self.request.query_params)

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=DisputeForm, responses={201: DisputeDetailSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Dispute charges: they are held, and stand on no document, until the outcome."""
        form = DisputeForm(data=request.data)
        form.is_valid(raise_exception=True)
        agreement = agreement_named(self.viewer, form.validated_data["agreement"])
        dispute = open_dispute(
            viewer=self.viewer,
            agreement=agreement,
            charge=self._charge(agreement, form.validated_data.get("charge")),
            reason=form.validated_data["reason"],
            now=self.now,
        )
        return self.shown(dispute.pk, status.HTTP_201_CREATED)

    def _charge(self, agreement: Agreement, pk: int | None) -> Charge | None:
        if pk is None:
            return None
        charge = charges_for(self.viewer).filter(agreement=agreement, pk=pk).first()
        if charge is None:
            raise InvalidInput(_("Nothing was entered."), {"charge": _("It has no such charge.")})
        return charge


class DisputeDetail(DomainDetailView[Dispute]):
    serializer_class = DisputeDetailSerializer

    def get_queryset(self) -> QuerySet[Dispute]:
        return disputes_for(self.viewer).prefetch_related("entries")


class DisputeAnswer(WithDispute):
    @extend_schema(request=AnswerForm, responses={201: DisputeDetailSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Answer as the owner, or add something as the buyer, while it is open."""
        dispute = get_object_or_404(disputes_for(self.viewer), pk=pk)
        form = AnswerForm(data=request.data)
        form.is_valid(raise_exception=True)
        answer_dispute(viewer=self.viewer, dispute=dispute, now=self.now, **form.validated_data)
        return self.shown(pk, status.HTTP_201_CREATED)


class DisputeDecision(WithDispute):
    @extend_schema(request=DecisionForm, responses={200: DisputeDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Decide a dispute, as an operator of the exchange."""
        dispute = get_object_or_404(disputes_for(self.viewer), pk=pk)
        form = DecisionForm(data=request.data)
        form.is_valid(raise_exception=True)
        reason, given = form.validated_data["reason"], form.validated_data.get("quantities", [])
        quantities = {each["slot"]: each["quantity"] for each in given}
        facts = {"viewer": self.viewer, "dispute": dispute, "reason": reason, "now": self.now}
        if quantities:
            correct_charges(quantities=quantities, **facts)
        else:
            uphold_charges(**facts)
        return self.shown(pk)


class UsageReportSerializer(serializers.ModelSerializer[UsageReport]):
    class Meta:
        model = UsageReport
        fields = ("id", "agreement", "slot", "name", "quantity", "note", "reported_at")


class UsageReportForm(serializers.Serializer[Any]):
    """``name`` is your own: the same report sent again under it is stored once."""

    agreement = serializers.IntegerField(min_value=1, max_value=LARGEST)
    slot = serializers.DateTimeField()
    quantity = serializers.IntegerField(min_value=0, max_value=LARGEST, help_text="card-seconds")
    name = serializers.CharField(max_length=200)
    note = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")


class UsageReportList(DomainListView[UsageReport]):
    serializer_class = UsageReportSerializer
    filters = Filters(integers={"agreement": "agreement"}, moments={"slot": "slot"})

    def get_queryset(self) -> QuerySet[UsageReport]:
        return self.filters.apply(usage_reports_for(self.viewer), self.request.query_params)

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=UsageReportForm, responses={200: UsageReportSerializer, 201: UsageReportSerializer}
    )
    def post(self, request: Request) -> Response:
        """Report the card-seconds that you saw in an hour. Reports are evidence; nothing is rated by them."""
        form = UsageReportForm(data=request.data)
        form.is_valid(raise_exception=True)
        given = dict(form.validated_data)
        report, is_new = report_usage(
            viewer=self.viewer,
            agreement=agreement_named(self.viewer, given.pop("agreement")),
            seen=Seen(**given),
            now=self.now,
        )
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(UsageReportSerializer(report).data, status=code)
