"""The API of demand: /requests."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainDetailView, DomainListView, DomainView
from marketplace.demand import services
from marketplace.demand.models import ComputeRequest
from marketplace.demand.selectors import requests_for, with_alternatives
from marketplace.demand.serializers import RequestForm, RequestQuery, RequestSerializer, organisation_of


@extend_schema(parameters=[RequestQuery])
class RequestList(DomainListView[ComputeRequest]):
    serializer_class = RequestSerializer

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
        data = RequestSerializer(with_alternatives(requests_for(self.viewer)).get(pk=created.pk)).data
        headers = {"Location": f"{request.path}/{created.pk}"}
        return Response(data, status=status.HTTP_201_CREATED, headers=headers)


class RequestDetail(DomainDetailView[ComputeRequest]):
    serializer_class = RequestSerializer

    def get_queryset(self) -> QuerySet[ComputeRequest]:
        return with_alternatives(requests_for(self.viewer))


class RequestWithdrawal(DomainView):
    @extend_schema(request=None, responses={200: RequestSerializer})
    def post(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        """Take an open request off the market."""
        wanted = get_object_or_404(with_alternatives(requests_for(self.viewer)), pk=pk)
        withdrawn = services.withdraw_request(viewer=self.viewer, request=wanted, now=self.now)
        return Response(RequestSerializer(withdrawn).data)
