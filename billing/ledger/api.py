"""The API of the ledger: journals and accounts."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.ledger.models import Account, Difference, Journal, Posting
from billing.ledger.selectors import accounts_for, differences_for, journals_for, postings_for
from billing.money import from_minor
from billing.query import Filters
from marketplace.api.views import DomainListView


class PostingSerializer(serializers.ModelSerializer[Posting]):
    """``amount`` is in the account's currency; debits are positive."""

    kind = serializers.CharField(source="account.kind")
    organisation = serializers.IntegerField(source="account.organisation_id", allow_null=True)
    currency = serializers.CharField(source="account.currency")
    amount = serializers.SerializerMethodField()

    class Meta:
        model = Posting
        fields = ("account", "kind", "organisation", "currency", "item", "amount")

    def get_amount(self, posting: Posting) -> str:
        return str(from_minor(posting.amount, posting.account.currency))


class JournalSerializer(serializers.ModelSerializer[Journal]):
    """Of its postings, those on accounts that the viewer may see."""

    postings = PostingSerializer(many=True, source="visible_postings")

    class Meta:
        model = Journal
        fields = ("id", "key", "description", "effective_at", "booked_at", "corrects", "postings")


class JournalList(DomainListView[Journal]):
    serializer_class = JournalSerializer
    filters = Filters(
        texts={"key": "key"},
        moments={"from": "booked_at__gte", "until": "booked_at__lt"},
    )

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Journal]:
        return self.filters.apply(journals_for(self.viewer), self.request.query_params)


class AccountSerializer(serializers.ModelSerializer[Account]):
    """``balance`` is in the account's currency; debits are positive."""

    balance = serializers.SerializerMethodField()

    class Meta:
        model = Account
        fields = ("id", "kind", "organisation", "currency", "balance")

    def get_balance(self, account: Any) -> str:
        return str(from_minor(account.balance, account.currency))


class AccountList(DomainListView[Account]):
    serializer_class = AccountSerializer

    def get_queryset(self) -> QuerySet[Account]:
        return accounts_for(self.viewer)


class MovementSerializer(serializers.ModelSerializer[Posting]):
    """``amount`` is in the account's currency; debits are positive."""

    journal = serializers.CharField(source="journal.key")
    description = serializers.CharField(source="journal.description")
    effective_at = serializers.DateTimeField(source="journal.effective_at")
    booked_at = serializers.DateTimeField(source="journal.booked_at")
    amount = serializers.SerializerMethodField()

    class Meta:
        model = Posting
        fields = ("id", "journal", "description", "effective_at", "booked_at", "item", "amount")

    def get_amount(self, posting: Posting) -> str:
        return str(from_minor(posting.amount, posting.account.currency))


class AccountMovements(DomainListView[Posting]):
    """Every movement on one account, newest first; they add up to its balance."""

    serializer_class = MovementSerializer

    def get_queryset(self) -> QuerySet[Posting]:
        if getattr(self, "swagger_fake_view", False):
            return Posting.objects.none()
        account = get_object_or_404(accounts_for(self.viewer), pk=self.kwargs["pk"])
        return postings_for(self.viewer).filter(account=account)


class DifferenceSerializer(serializers.ModelSerializer[Difference]):
    since = serializers.DateTimeField(source="first_seen.started_at")

    class Meta:
        model = Difference
        fields = ("id", "rule", "subject", "expected", "found", "since")


class DifferenceList(DomainListView[Difference]):
    """Figures that should agree and do not. Operators and auditors see them; for others there are none."""

    serializer_class = DifferenceSerializer

    def get_queryset(self) -> QuerySet[Difference]:
        return differences_for(self.viewer)
