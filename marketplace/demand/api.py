"""The API of demand: /requests."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainDetailView, DomainGenericView, DomainListView
from marketplace.catalogue.selectors import currencies_with_rate
from marketplace.demand import services
from marketplace.demand.models import ComputeRequest
from marketplace.demand.selectors import requests_for, with_alternatives
from marketplace.demand.serializers import RequestForm, RequestQuery, RequestSerializer, organisation_of


class WithRates(DomainGenericView[ComputeRequest]):
    """What ``RequestSerializer`` needs to know beside the request."""

    serializer_class = RequestSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        rates = currencies_with_rate(at=self.now)
        return {**super().get_serializer_context(), "currencies_with_rate": rates}

    def shown(self, pk: int) -> Any:
        request = with_alternatives(requests_for(self.viewer)).get(pk=pk)
        return RequestSerializer(request, context=self.get_serializer_context()).data


@extend_schema(parameters=[RequestQuery])
class RequestList(WithRates, DomainListView[ComputeRequest]):
    def get_queryset(self) -> QuerySet[ComputeRequest]:
        query = RequestQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        return with_alternatives(requests_for(self.viewer)).filter(**query.validated_data)

    @extend_schema(request=RequestForm, responses={201: RequestSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Enter a request: one to eight exclusive alternatives, each with a limit or a budget."""
        form = RequestForm(data=request.data, context={"view": self})
        form.is_valid(raise_exception=True)
        created = services.create_request(
            viewer=self.viewer,
            organisation=organisation_of(request, form),
            request=form.request_input(),
            now=self.now,
        )
        headers = {"Location": f"{request.path}/{created.pk}"}
        return Response(self.shown(created.pk), status=status.HTTP_201_CREATED, headers=headers)


class RequestDetail(WithRates, DomainDetailView[ComputeRequest]):
    def get_queryset(self) -> QuerySet[ComputeRequest]:
        return with_alternatives(requests_for(self.viewer))


class RequestWithdrawal(WithRates):
    @extend_schema(request=None, responses={200: RequestSerializer})
    def post(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        """Take an open request off the market."""
        wanted = get_object_or_404(requests_for(self.viewer), pk=pk)
        services.withdraw_request(viewer=self.viewer, request=wanted, now=self.now)
        return Response(self.shown(pk))
