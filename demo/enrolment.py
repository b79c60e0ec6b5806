"""What the people of each simulated site tell its agent: a one-time code, and what their cards are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Prefetch

from accounts.actors import viewer_of_user
from accounts.models import Membership, Organisation, Role, User
from demo.plants import planted
from marketplace.agents.models import Agent
from marketplace.agents.services import make_code
from marketplace.catalogue.latency import RegionPoint, round_trip_us
from marketplace.catalogue.models import AcceleratorModel, Region
from marketplace.supply.models import Fleet, Site


def appoint_administrators() -> None:
    """Somebody has to make the codes: owners that have nobody get an administrator, who cannot sign in."""
    for owner in Organisation.objects.filter(kind=Organisation.Kind.OWNER).exclude(
        memberships__role=Role.ADMIN
    ):
        user = User.objects.create_user(
            f"site-team-{owner.pk}@demo.example", name=f"{owner.name_en} site team"
        )
        Membership.objects.create(user=user, organisation=owner, role=Role.ADMIN)


def agents_to_run(*, now: datetime, wall_now: datetime) -> list[dict[str, Any]]:
    """A row for each site. There is a code where no agent of the site was heard yet: an agent that was
    killed while it enrolled may not know its token."""
    heard = set(Agent.objects.filter(seen_at__isnull=False).values_list("site", flat=True))
    administrators = _administrators()
    probes = [_point(region) for region in Region.objects.filter(slug__in=settings.NETWORK_PROBES)]
    fleets = Prefetch("fleets", Fleet.objects.select_related("model").order_by("pk"))
    sites = list(Site.objects.select_related("region", "owner").prefetch_related(fleets).order_by("pk"))
    plants = planted({site.pk: sum(fleet.cards for fleet in site.fleets.all()) for site in sites})
    rows = []
    for site in sites:
        code = ""
        if site.pk not in heard:
            viewer = viewer_of_user(administrators[site.owner_id])
            _, code = make_code(viewer=viewer, site=site, now=now, wall_now=wall_now)
        facts = _facts(site, site.fleets.all(), probes)
        rows.append({"site": site.pk, "code": code, "plant": plants.get(site.pk, ""), **facts})
    return rows


def _administrators() -> dict[int, User]:
    people = Membership.objects.filter(role=Role.ADMIN).select_related("user").order_by("-pk")
    return {each.organisation_id: each.user for each in people}


def _facts(site: Site, fleets: Iterable[Fleet], probes: Iterable[RegionPoint]) -> dict[str, Any]:
    """``round_trips`` are estimates from the distance, in microseconds by region."""
    here = _point(site.region)
    return {
        "models": {fleet.model.slug: _cards(fleet.model) for fleet in fleets},
        "round_trips": {probe.slug: round_trip_us(here, probe) for probe in probes},
    }


def _cards(model: AcceleratorModel) -> dict[str, Any]:
    bandwidth = model.memory_bandwidth_gb_s
    return {
        "memory_gb": str(model.memory_gb or 0),
        "tdp_w": model.tdp_w,
        "peak_tflops": model.peak_tflops,
        "bandwidth_gb_s": None if bandwidth is None else str(bandwidth),
    }


def _point(region: Region) -> RegionPoint:
    return RegionPoint(region.slug, region.country, region.latitude, region.longitude)
