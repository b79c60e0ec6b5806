"""Reading deliveries: for both sides of an agreement, and for the agents that deliver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Max, OuterRef, Prefetch, Q, QuerySet, Subquery

from accounts.actors import Capability, Viewer
from marketplace.agreements.models import Agreement
from marketplace.catalogue.normalisation.measured import SiteMeasurement, at_site
from marketplace.catalogue.normalisation.profiles import Profile
from marketplace.delivery.models import (
    NOT_OVER,
    OVER,
    AcceptanceTest,
    Delivery,
    DeliveryState,
    DeliveryTransition,
)
from marketplace.engine.snapshot import Workload
from marketplace.supply.models import Site

DUE_WITHIN = timedelta(hours=1)


def _whole() -> QuerySet[Delivery]:
    return Delivery.objects.select_related(
        "agreement__buyer",
        "agreement__owner",
        "agreement__allocation__offer__fleet__model",
        "agreement__allocation__offer__fleet__stack",
        "site__region",
    )


def deliveries_for(viewer: Viewer) -> QuerySet[Delivery]:
    """Deliveries of agreements that the viewer's organisations bought or sold, newest first."""
    deliveries = _whole().order_by("-pk")
    if viewer.sees_everything:
        return deliveries
    mine = viewer.organisations_with(Capability.READ)
    return deliveries.filter(Q(agreement__buyer__in=mine) | Q(agreement__owner__in=mine))


def with_steps(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Each delivery with its transitions, oldest first."""
    steps = DeliveryTransition.objects.order_by("pk")
    named = deliveries.select_related("replacement__request")
    return named.prefetch_related(Prefetch("transitions", queryset=steps), "suspensions", "tests")


def deliveries_of_agent(viewer: Viewer) -> QuerySet[Delivery]:
    """Deliveries of the site for which the viewer may deliver, oldest first."""
    return (
        _whole()
        .filter(at_its_sites(viewer))
        .select_related("agreement__buyer__access_key", "access")
        .prefetch_related("suspensions")
        .order_by("pk")
    )


def sites_of_agent(viewer: Viewer) -> QuerySet[Site]:
    """The sites for which the viewer may deliver: of an agent, the one."""
    mine = Site.objects.filter(owner__in=viewer.organisations_with(Capability.DELIVER))
    return mine if viewer.site is None else mine.filter(pk=viewer.site)


def at_its_sites(viewer: Viewer) -> Q:
    """Of deliveries: those that the viewer may move on. An agent does so at one site."""
    return Q(site__in=sites_of_agent(viewer))


def due(deliveries: QuerySet[Delivery], before: datetime) -> QuerySet[Delivery]:
    """What an agent has to look after: begun before a moment and not over."""
    return deliveries.filter(state__in=NOT_OVER, starts_at__lte=before)


def over_since(deliveries: QuerySet[Delivery], moment: datetime) -> QuerySet[Delivery]:
    """What was active and is over, with a window that ended after a moment: its usage may still be late."""
    return deliveries.filter(state__in=OVER, active_from__isnull=False, ends_at__gte=moment)


def with_state_since(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Each delivery with ``state_since``: when its last step was; nothing while it is scheduled."""
    steps = DeliveryTransition.objects.filter(delivery=OuterRef("pk")).order_by("-pk")
    return deliveries.annotate(state_since=Subquery(steps.values("at")[:1]))


def overdue(now: datetime) -> QuerySet[Delivery, int]:
    """Ids of what may have lasted too long in its state: the services look closer."""
    not_begun = Q(active_from=None, starts_at__lte=now - settings.DELIVERY_ATTEMPT_WITHIN)
    not_ended = Q(active_from__isnull=False, ends_at__lte=now - settings.DELIVERY_END_WITHIN)
    not_there = Q(active_from__isnull=False) & ~Q(state=DeliveryState.ACTIVE)
    late = Delivery.objects.filter(not_begun | not_ended | not_there, state__in=NOT_OVER)
    return late.order_by("pk").values_list("pk", flat=True)


def agreements_to_schedule(*, only_newest: bool) -> QuerySet[Agreement]:
    """Agreements over an allocation without a delivery; ``only_newest``: those after the last that has one.

    The second costs nothing however many agreements there are; the first finds every gap.
    """
    placed = Agreement.objects.filter(allocation__isnull=False)
    agreements = placed.filter(delivery=None)
    if only_newest:
        last = Delivery.objects.aggregate(last=Max("agreement"))["last"]
        agreements = placed.filter(pk__gt=last or 0)
    return agreements.select_related("allocation__offer__fleet").order_by("pk")


def measured_profiles(site: Site) -> list[Profile]:
    """What acceptance tests measured of a site's cards in classes of work, where a probe ran benchmarks: the
    newest test of each model counts."""
    tests = AcceptanceTest.objects.filter(delivery__site=site, passed=True, probe__benchmarks__isnull=False)
    rows = tests.select_related("delivery__agreement__allocation__offer__fleet__model").order_by("at")
    return at_site(str(site.pk), [], [one for test in rows for one in _measurements(test)])


def _measurements(test: AcceptanceTest) -> Iterator[SiteMeasurement]:
    for workload, runs in test.probe["benchmarks"].items():
        yield SiteMeasurement(
            site=str(test.delivery.site_id),
            model_slug=test.delivery.agreement.allocation.offer.fleet.model.slug,
            workload=Workload(workload),
            runs=tuple(map(Decimal, runs)),
            measured_at=test.at,
            report=f"acceptance test of {test.delivery}",
        )
