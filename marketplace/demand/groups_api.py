"""The API of what ties requests together: /budgets, /choices and /owner-caps."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Organisation
from accounts.selectors import organisations_for
from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainDetailView, DomainListView, DomainView
from marketplace.demand import groups
from marketplace.demand.commitments import budgets_for, choices_for, owner_caps_for
from marketplace.demand.models import Budget, Choice, OwnerCap
from marketplace.demand.serializers import (
    BudgetForm,
    BudgetSerializer,
    ChoiceForm,
    ChoiceSerializer,
    OwnerCapForm,
    OwnerCapSerializer,
    organisation_of,
)


class BudgetList(DomainListView[Budget]):
    serializer_class = BudgetSerializer

    def get_queryset(self) -> QuerySet[Budget]:
        return budgets_for(self.viewer)

    @extend_schema(request=BudgetForm, responses={201: BudgetSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a budget: what the requests under it pay together, at most."""
        form = BudgetForm(data=request.data, context={"view": self})
        form.is_valid(raise_exception=True)
        organisation = organisation_of(request, form)
        made = groups.create_budget(
            viewer=self.viewer, organisation=organisation, budget=form.budget(), now=self.now
        )
        data = BudgetSerializer(self.get_queryset().get(pk=made.pk)).data
        return _created(request, made, data)


class BudgetDetail(DomainDetailView[Budget]):
    serializer_class = BudgetSerializer

    def get_queryset(self) -> QuerySet[Budget]:
        return budgets_for(self.viewer)


class BudgetClosing(DomainView):
    @extend_schema(request=None, responses={200: BudgetSerializer})
    def post(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        """Close a budget: no further request goes under it. Refused while open requests are."""
        budget = get_object_or_404(budgets_for(self.viewer), pk=pk)
        groups.close_budget(viewer=self.viewer, budget=budget, now=self.now)
        return Response(BudgetSerializer(budgets_for(self.viewer).get(pk=pk)).data)


class ChoiceList(DomainListView[Choice]):
    serializer_class = ChoiceSerializer

    def get_queryset(self) -> QuerySet[Choice]:
        return choices_for(self.viewer)

    @extend_schema(request=ChoiceForm, responses={201: ChoiceSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a choice: of the requests under it, at most `most` are matched."""
        form = ChoiceForm(data=request.data, context={"view": self})
        form.is_valid(raise_exception=True)
        organisation = organisation_of(request, form)
        made = groups.create_choice(
            viewer=self.viewer, organisation=organisation, choice=form.choice(), now=self.now
        )
        data = ChoiceSerializer(self.get_queryset().get(pk=made.pk)).data
        return _created(request, made, data)


class ChoiceDetail(DomainDetailView[Choice]):
    serializer_class = ChoiceSerializer

    def get_queryset(self) -> QuerySet[Choice]:
        return choices_for(self.viewer)


class ChoiceClosing(DomainView):
    @extend_schema(request=None, responses={200: ChoiceSerializer})
    def post(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        """Close a choice: no further request goes under it. Refused while open requests are."""
        choice = get_object_or_404(choices_for(self.viewer), pk=pk)
        groups.close_choice(viewer=self.viewer, choice=choice, now=self.now)
        return Response(ChoiceSerializer(choices_for(self.viewer).get(pk=pk)).data)


class OwnerCapList(DomainListView[OwnerCap]):
    """The caps of buyers on what they have open with any one owner."""

    serializer_class = OwnerCapSerializer

    def get_queryset(self) -> QuerySet[OwnerCap]:
        return owner_caps_for(self.viewer)


class OwnerCapDetail(DomainView):
    """The cap of one buyer, by the id of its organisation. Administrators set and lift it."""

    @extend_schema(responses={200: OwnerCapSerializer})
    def get(self, request: Request, organisation: int) -> Response:  # noqa: ARG002
        cap = get_object_or_404(owner_caps_for(self.viewer), organisation=organisation)
        return Response(OwnerCapSerializer(cap).data)

    @extend_schema(request=OwnerCapForm, responses={200: OwnerCapSerializer})
    def put(self, request: Request, organisation: int) -> Response:
        """Card-hours that may be open with any one owner, from the next market run on."""
        buyer = self._buyer(organisation)
        form = OwnerCapForm(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data["card_hours"]
        cap = groups.set_owner_cap(viewer=self.viewer, organisation=buyer, card_hours=wanted, now=self.now)
        return Response(OwnerCapSerializer(cap).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organisation: int) -> Response:  # noqa: ARG002
        """Lift the cap."""
        buyer = self._buyer(organisation)
        groups.set_owner_cap(viewer=self.viewer, organisation=buyer, card_hours=None, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _buyer(self, organisation: int) -> Organisation:
        return get_object_or_404(organisations_for(self.viewer), pk=organisation)


def _created(request: Request, made: Budget | Choice, data: object) -> Response:
    location = f"{request.path}/{made.pk}"
    return Response(data, status=status.HTTP_201_CREATED, headers={"Location": location})
