"""Policies and dossiers over the API."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.views import DomainView
from marketplace.audit.compliance import dossiers
from marketplace.audit.compliance.models import Policy
from marketplace.audit.compliance.selectors import policies_in_force
from marketplace.supply.selectors import sites_for


class PolicyListView(DomainView):
    """The policies in force, for everybody who is known: rules are public."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response({"policies": [_facts(policy) for policy in policies_in_force(self.now)]})


class DossierView(DomainView):
    """All that is known of a site: levels, policies, agreements, findings, energy, tests, agents."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        sites = sites_for(self.viewer).select_related("owner", "region__zone")
        found = dossiers.of_site(get_object_or_404(sites, pk=pk), viewer=self.viewer, now=self.now)
        return Response(dossiers.facts_of(found))


def _facts(policy: Policy) -> dict[str, Any]:
    names = (
        *("slug", "version", "kind", "title_en", "title_zh", "jurisdiction", "least_cards", "most_cards"),
        *("level", "places", "accepts_declared", "window_days", "cure_days", "source", "is_example"),
    )
    return {name: getattr(policy, name) for name in names} | {
        "threshold": f"{policy.threshold:f}",
        "warning": f"{policy.warning:f}",
        "valid_from": policy.valid_from.isoformat(),
        "valid_until": policy.valid_until and policy.valid_until.isoformat(),
    }
