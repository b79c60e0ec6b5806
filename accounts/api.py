"""The accounts over the API, to be read. Members and tokens are changed on the pages, by people.

A token's secret is shown once, on the page that makes it; an API that made tokens would have to keep the
secret in its stored answers.
"""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from accounts.models import ApiToken, AuditEvent, AuditSeal, Membership, Organisation
from accounts.selectors import audit_events_for, audit_seals_for, members_for, organisations_for, tokens_for
from marketplace.api.views import DomainListView


class OrganisationSerializer(serializers.ModelSerializer[Organisation]):
    class Meta:
        model = Organisation
        fields: ClassVar = ["id", "kind", "name_en", "name_zh", "jurisdiction", "time_zone"]


class MemberSerializer(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.name")

    class Meta:
        model = Membership
        fields: ClassVar = ["id", "organisation", "email", "name", "role", "created_at"]


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields: ClassVar = [
            "id",
            "organisation",
            "name",
            "prefix",
            "scopes",
            "created_at",
            "expires_at",
            "revoked_at",
        ]


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    position = serializers.IntegerField(
        source="seal.position", allow_null=True, default=None, help_text="In the chain; null until sealed."
    )

    class Meta:
        model = AuditEvent
        fields: ClassVar = [
            "id",
            "occurred_at",
            "user",
            "token",
            "task",
            "organisation",
            "action",
            "object_type",
            "object_id",
            "data",
            "digest",
            "position",
        ]


class AuditSealSerializer(serializers.ModelSerializer[AuditSeal]):
    class Meta:
        model = AuditSeal
        fields: ClassVar = ["position", "event", "previous", "digest", "sealed_at"]


@extend_schema(summary="Your organisations")
class OrganisationList(DomainListView[Organisation]):
    serializer_class = OrganisationSerializer

    def get_queryset(self) -> QuerySet[Organisation]:
        return organisations_for(self.viewer)


@extend_schema(summary="Members of your organisations")
class MemberList(DomainListView[Membership]):
    serializer_class = MemberSerializer

    def get_queryset(self) -> QuerySet[Membership]:
        return members_for(self.viewer)


@extend_schema(summary="API tokens of your organisations, without their secrets")
class TokenList(DomainListView[ApiToken]):
    serializer_class = TokenSerializer

    def get_queryset(self) -> QuerySet[ApiToken]:
        return tokens_for(self.viewer)


@extend_schema(summary="Audit events: who did what")
class AuditEventList(DomainListView[AuditEvent]):
    serializer_class = AuditEventSerializer

    def get_queryset(self) -> QuerySet[AuditEvent]:
        return audit_events_for(self.viewer)


@extend_schema(summary="Links of the audit chain")
class AuditSealList(DomainListView[AuditSeal]):
    serializer_class = AuditSealSerializer

    def get_queryset(self) -> QuerySet[AuditSeal]:
        return audit_seals_for(self.viewer)
