"""Findings over the API: auditors read all; subjects' administrators read their own on the pages."""

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
from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainDetailView, DomainListView, DomainView
from marketplace.audit.findings import selectors, services
from marketplace.audit.findings.models import Evidence, Finding, FindingMessage, FindingSubject, Severity
from marketplace.audit.findings.wording import sentence_of, title_of
from marketplace.errors import InvalidInput

LARGEST = 2**63 - 1


class SubjectSerializer(serializers.ModelSerializer[FindingSubject]):
    class Meta:
        model = FindingSubject
        fields = ("organisation", "site", "agreement", "delivery")


class FindingSerializer(serializers.ModelSerializer[Finding]):
    """``statistics`` and ``thresholds`` are decimal strings by name.

    Subjects get no statistics of a finding that is about others too.
    """

    severity = serializers.SerializerMethodField()
    title = serializers.SerializerMethodField()
    sentence = serializers.SerializerMethodField()
    statistics = serializers.SerializerMethodField()
    subjects = SubjectSerializer(many=True)

    class Meta:
        model = Finding
        fields = (
            "id", "detector", "version", "severity", "title", "sentence", "starts_at", "ends_at",
            "statistics", "thresholds", "subjects", "state", "reason", "found_at", "seen_at", "closed_at",
        )  # fmt: skip

    def get_severity(self, finding: Finding) -> str:
        return Severity(finding.severity).name.lower()

    def get_title(self, finding: Finding) -> str:
        return title_of(finding)

    def get_sentence(self, finding: Finding) -> str:
        return "" if selectors.is_about_others(finding) else sentence_of(finding)

    @extend_schema_field(serializers.DictField())
    def get_statistics(self, finding: Finding) -> Any:
        return {} if selectors.is_about_others(finding) else finding.statistics


class EvidenceSerializer(serializers.ModelSerializer[Evidence]):
    """``digest`` is the SHA-256 of ``{"facts", "kind", "row"}`` as JSON with sorted keys and no spaces."""

    class Meta:
        model = Evidence
        fields = ("kind", "row", "facts", "digest", "added_at")


class MessageSerializer(serializers.ModelSerializer[FindingMessage]):
    class Meta:
        model = FindingMessage
        fields = ("organisation", "by_auditor", "text", "written_at")


class FindingDetailSerializer(FindingSerializer):
    evidence = serializers.SerializerMethodField()
    messages = serializers.SerializerMethodField()

    class Meta(FindingSerializer.Meta):
        fields = (*FindingSerializer.Meta.fields, "evidence", "messages")  # type: ignore[assignment]

    @extend_schema_field(EvidenceSerializer(many=True))
    def get_evidence(self, finding: Finding) -> Any:
        return EvidenceSerializer(selectors.evidence_of(finding, self.context["viewer"]), many=True).data

    @extend_schema_field(MessageSerializer(many=True))
    def get_messages(self, finding: Finding) -> Any:
        return MessageSerializer(selectors.messages_of(finding, self.context["viewer"]), many=True).data


class FindingAnswerForm(serializers.Serializer[Any]):
    """``organisation`` is the one for which you answer."""

    organisation = serializers.IntegerField(min_value=1, max_value=LARGEST)
    text = serializers.CharField(max_length=services.LONGEST)


class FindingList(DomainListView[Finding]):
    serializer_class = FindingSerializer
    filters = Filters(integers={"severity": "severity"}, texts={"state": "state", "detector": "detector"})

    def get_queryset(self) -> QuerySet[Finding]:
        rows = selectors.with_subjects(selectors.findings_for(self.viewer), self.viewer)
        return self.filters.apply(rows, self.request.query_params)

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class FindingDetail(DomainDetailView[Finding]):
    serializer_class = FindingDetailSerializer

    def get_queryset(self) -> QuerySet[Finding]:
        return selectors.with_subjects(selectors.findings_for(self.viewer), self.viewer)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "viewer": self.viewer}


class FindingAnswer(DomainView):
    @extend_schema(request=FindingAnswerForm, responses={201: MessageSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Answer for an organisation that the finding is about."""
        shown = get_object_or_404(selectors.findings_for(self.viewer), pk=pk)
        form = FindingAnswerForm(data=request.data)
        form.is_valid(raise_exception=True)
        organisation = (
            selectors.answers_as(shown, self.viewer).filter(pk=form.validated_data["organisation"]).first()
        )
        if organisation is None:
            raise InvalidInput(
                _("Nothing was entered."), {"organisation": _("Administrators of whom it is about answer.")}
            )
        message = services.answer(
            viewer=self.viewer,
            finding=shown,
            organisation=organisation,
            text=form.validated_data["text"],
            now=self.now,
        )
        return Response(MessageSerializer(message).data, status=status.HTTP_201_CREATED)
