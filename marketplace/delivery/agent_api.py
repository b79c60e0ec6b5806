"""The API of the agents at the sites: what is to be done now, and what was done."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actors import Capability, Viewer
from marketplace.agents.authentication import agent_of
from marketplace.api.pagination import Cursor
from marketplace.api.problems import problem_of
from marketplace.api.views import DomainDetailView, DomainListView, DomainView
from marketplace.delivery.changes import wait_for_change
from marketplace.delivery.models import Delivery, DeliveryTransition
from marketplace.delivery.selectors import (
    DUE_WITHIN,
    deliveries_of_agent,
    due,
    over_since,
    sites_of_agent,
    with_state_since,
)
from marketplace.delivery.serializers import (
    AccessForm,
    AgentDeliverySerializer,
    AgentPageSerializer,
    AgentQuery,
    ChangesQuery,
    ChangesSerializer,
    ProbesSerializer,
    RoundTripsForm,
    StepForm,
    StepResultsSerializer,
    StepsForm,
    TransitionSerializer,
    step_of,
)
from marketplace.delivery.services import Step, give_access, schedule_new, take_step, take_steps
from marketplace.errors import DomainError, NotAllowed
from marketplace.supply.services import keep_round_trips


class OldestFirst(Cursor):
    ordering = "pk"


def require_agent(viewer: Viewer) -> None:
    if not viewer.organisations_with(Capability.DELIVER):
        raise NotAllowed("This is for the agents of sites, which enrol with a code of the site’s page.")


@extend_schema(parameters=[AgentQuery], responses={200: AgentPageSerializer})
class AgentDeliveries(DomainListView[Delivery]):
    """What the agent has to look after: begun, or beginning within the hour, and not over.

    ``market_time`` and ``clock_speed`` are the market's clock: in production the wall clock.
    """

    serializer_class = AgentDeliverySerializer
    pagination_class = OldestFirst

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        require_agent(self.viewer)
        schedule_new(now=self.now, only_newest=True)
        page = super().get(request, *args, **kwargs)
        clock = {"market_time": self.now, "clock_speed": settings.CLOCK_SPEED}
        page.data = clock | page.data
        return page

    def get_queryset(self) -> QuerySet[Delivery]:
        query = AgentQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        wanted = {"due_before": self.now + DUE_WITHIN} | query.validated_data
        before, since = wanted.pop("due_before"), wanted.pop("over_since", None)
        mine = with_state_since(deliveries_of_agent(self.viewer))
        return (due(mine, before) if since is None else over_since(mine, since)).filter(**wanted)


@extend_schema(parameters=[ChangesQuery], responses={200: ChangesSerializer})
class AgentChanges(DomainView):
    def get(self, request: Request) -> Response:
        """Wait until something else is due at the site than at the version ``after``, for ``wait`` seconds.

        Where ``waited`` is false there was no room to wait: ask again after a while.
        """
        agent = agent_of(request)
        query = ChangesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        version, waited = wait_for_change(agent.site_id, after=asked["after"], seconds=asked["wait"])
        return Response({"version": version, "waited": waited})


class AgentDelivery(DomainDetailView[Delivery]):
    """One delivery, over or not: before it removes anything, the agent asks what became of it."""

    serializer_class = AgentDeliverySerializer

    def get_queryset(self) -> QuerySet[Delivery]:
        require_agent(self.viewer)
        return with_state_since(deliveries_of_agent(self.viewer))


class AgentStep(DomainView):
    @extend_schema(request=StepForm, responses={200: TransitionSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Report a step. Reporting it again gives the same answer; another report is a conflict."""
        require_agent(self.viewer)
        delivery = get_object_or_404(deliveries_of_agent(self.viewer), pk=pk)
        form = StepForm(data=request.data)
        form.is_valid(raise_exception=True)
        taken = take_step(viewer=self.viewer, delivery=delivery, step=form.step(), now=self.now)
        return Response(TransitionSerializer(taken).data)


class AgentSteps(DomainView):
    @extend_schema(request=StepsForm, responses={200: StepResultsSerializer})
    def post(self, request: Request) -> Response:
        """Report many steps, in order. Each is taken or refused on its own."""
        require_agent(self.viewer)
        form = StepsForm(data=request.data)
        form.is_valid(raise_exception=True)
        steps = [(row["delivery"], step_of(row)) for row in form.validated_data["transitions"]]
        answers = take_steps(viewer=self.viewer, steps=steps, now=self.now)
        results = [_result(pk, step, answer) for (pk, step), answer in zip(steps, answers, strict=True)]
        return Response({"results": results})


class AgentAccess(DomainView):
    @extend_schema(request=AccessForm, responses={204: None})
    def post(self, request: Request, pk: int) -> Response:
        """Give the buyer's access details, sealed to its organisation. Given anew, the newest count."""
        require_agent(self.viewer)
        delivery = get_object_or_404(deliveries_of_agent(self.viewer), pk=pk)
        form = AccessForm(data=request.data)
        form.is_valid(raise_exception=True)
        sealed = form.validated_data["sealed"]
        give_access(viewer=self.viewer, delivery=delivery, sealed=sealed, now=self.now)
        return Response(status=204)


class AgentProbes(DomainView):
    @extend_schema(responses={200: ProbesSerializer})
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The exchange's probes, to which agents measure round trips by opening a connection."""
        require_agent(self.viewer)
        probes = [
            {"region": region, "address": address} for region, address in settings.NETWORK_PROBES.items()
        ]
        return Response({"probes": probes})


class AgentRoundTrips(DomainView):
    @extend_schema(request=RoundTripsForm, responses={204: None})
    def post(self, request: Request) -> Response:
        """Report round trips from a site to probes; reporting one again changes nothing."""
        require_agent(self.viewer)
        form = RoundTripsForm(data=request.data)
        form.is_valid(raise_exception=True)
        site = get_object_or_404(sites_of_agent(self.viewer), pk=form.validated_data["site"])
        keep_round_trips(viewer=self.viewer, site=site, measured=form.measured(), now=self.now)
        return Response(status=204)


def _result(delivery: int, step: Step, answer: DeliveryTransition | DomainError) -> dict[str, Any]:
    result = {"delivery": delivery, "to": step.to, "status": 200, "transition": None, "problem": None}
    if isinstance(answer, DomainError):
        return result | {"status": answer.status, "problem": problem_of(answer)}
    return result | {"transition": TransitionSerializer(answer).data}
