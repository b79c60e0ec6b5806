"""Pages of policies, what another figure would change, and the dossier of a site."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.models import Organisation
from accounts.pages import refusals_on
from accounts.requests import PageRequest
from accounts.selectors import organisations_for
from marketplace.audit.compliance import dossiers, wording
from marketplace.audit.compliance.all_sites import bounds_by_site, counted, statuses
from marketplace.audit.compliance.forms import EnactForm, WhatIfForm
from marketplace.audit.compliance.models import Policy
from marketplace.audit.compliance.selectors import policies_in_force, sites_of, versions_of
from marketplace.audit.compliance.services import changed, enact
from marketplace.clock import market_now
from marketplace.errors import NotAllowed
from marketplace.supply.selectors import sites_for
from marketplace.web.listing import page_of

SITES_A_PAGE = 50
OK, REFUSED = 200, 422


def _check(request: PageRequest) -> None:
    """For auditors, operators, and members of an owner; to buyers these pages do not exist."""
    owners = organisations_for(request.viewer).filter(kind=Organisation.Kind.OWNER)
    if not request.viewer.sees_everything and not owners.exists():
        raise Http404


@login_required
@require_safe
def policies(request: PageRequest) -> HttpResponse:
    """Those in force, and how the sites that the reader sees stand towards each."""
    _check(request)
    now = market_now()
    rows = [
        {
            "policy": policy,
            "required": wording.required(policy),
            "counts": counted(_standings(request, policy)),
        }
        for policy in policies_in_force(now)
    ]
    return render(request, "compliance/policies.html", {"rows": rows, "now": now})


def _standings(request: PageRequest, policy: Policy) -> dict[int, Any]:
    sites = list(sites_of(policy).filter(pk__in=sites_for(request.viewer).order_by().values("pk")))
    return dict(statuses(policy, bounds_by_site(policy, sites, now=market_now())))


@login_required
@require_GET
def policy(request: PageRequest, slug: str) -> HttpResponse:
    """The versions of a policy, its sites, and how many would stand otherwise under other figures."""
    _check(request)
    newest = _newest(slug)
    tried = WhatIfForm(request.GET if "threshold" in request.GET else None, policy=newest)
    return _policy(request, newest, tried)


@login_required
@require_POST
def enact_policy(request: PageRequest, slug: str) -> HttpResponse:
    """The next version, by an operator."""
    _check(request)
    newest = _newest(slug)
    if not request.viewer.is_operator:
        raise NotAllowed(_("Policies are enacted by operators."))
    form = EnactForm(request.POST, policy=newest)
    if form.is_valid():
        with refusals_on(form):
            facts = form.cleaned_data
            enacted = enact(
                viewer=request.viewer,
                policy=newest,
                figures=facts,
                valid_from=facts["valid_from"],
                source=facts["source"],
                now=market_now(),
            )
            messages.success(
                request, _("Version %(version)s is in force from then on.") % {"version": enacted.version}
            )
            return redirect("compliance:policy", slug)
    return _policy(request, newest, form, status=REFUSED)


def _newest(slug: str) -> Policy:
    newest = versions_of(slug).first()
    if newest is None:
        raise Http404
    return newest


def _policy(request: PageRequest, newest: Policy, tried: WhatIfForm, *, status: int = OK) -> HttpResponse:
    now = _standings(request, newest)
    context: dict[str, Any] = {
        "policy": newest,
        "required": wording.required(newest),
        "versions": [(each, wording.required(each)) for each in versions_of(newest.slug)],
        "counts": counted(now),
        "page": page_of(request, _rows(request, newest, now), SITES_A_PAGE),
        "form": tried,
        "may_enact": request.viewer.is_operator,
        "enacting": tried
        if isinstance(tried, EnactForm)
        else EnactForm(policy=newest, initial=dict(request.GET.items())),
    }
    if tried.is_bound and tried.is_valid() and status == OK:
        other = changed(newest, tried.cleaned_data)
        then = _standings(request, other)
        context |= {"other": counted(then), "changes": _changes(request, now, then)}
    elif tried.is_bound:
        status = REFUSED
    return render(request, "compliance/policy.html", context, status=status)


def _rows(request: PageRequest, newest: Policy, found: dict[int, Any]) -> list[dict[str, Any]]:
    """The sites, those in breach first."""
    order = {"breach": 0, "warning": 1, "unknown": 2, "complies": 3}
    sites = sites_for(request.viewer).select_related("region__zone").in_bulk(list(found))
    bounds = bounds_by_site(newest, list(sites.values()), now=market_now())
    rows = [
        {"site": sites[pk], "status": status.value, "figure": _figure(newest, bounds[pk])}
        for pk, status in found.items()
    ]
    return sorted(rows, key=lambda row: (order[row["status"]], str(row["site"])))


def _figure(newest: Policy, bounds: Any) -> str:
    if bounds is None:
        return ""
    least, most = (wording.figure(newest, each) for each in bounds)
    return least if least == most else f"{least} – {most}"


def _changes(request: PageRequest, now: dict[int, Any], then: dict[int, Any]) -> list[dict[str, Any]]:
    """Sites that stand otherwise, and those that the policy would begin or cease to hold for."""
    moved = [pk for pk in sorted(now.keys() | then.keys()) if now.get(pk) != then.get(pk)]
    sites = sites_for(request.viewer).in_bulk(moved)
    return [{"site": sites[pk], "before": now.get(pk), "after": then.get(pk)} for pk in moved]


@login_required
@require_safe
def dossier(request: PageRequest, pk: int) -> HttpResponse:
    """All that is known of a site, on one page."""
    site = get_object_or_404(sites_for(request.viewer).select_related("owner", "region__zone"), pk=pk)
    found = dossiers.of_site(site, viewer=request.viewer, now=market_now())
    return render(request, "compliance/dossier.html", {"dossier": found, "site": site})


@login_required
@require_safe
def dossier_pdf(request: PageRequest, pk: int) -> HttpResponse:
    site = get_object_or_404(sites_for(request.viewer).select_related("owner", "region__zone"), pk=pk)
    found = dossiers.of_site(site, viewer=request.viewer, now=market_now())
    content = dossiers.pdf_of(found, language=get_language() or "en")
    answer = HttpResponse(content, content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="cardhour-site-{site.pk}.pdf"'
    return answer
