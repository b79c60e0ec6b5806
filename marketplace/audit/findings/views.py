"""The queue of findings and the page of one: for auditors, and for administrators of whom it is about."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Organisation
from accounts.requests import PageRequest
from billing.forms import problems_in
from billing.metering.models import Reading
from billing.metering.selectors import readings_for
from marketplace.audit.findings import selectors, services, wording
from marketplace.audit.findings.charts import chart_of
from marketplace.audit.findings.forms import AssignForm, CloseForm, FindingFilter, MessageForm
from marketplace.audit.findings.models import UNDER_WAY, Evidence, Finding, Severity
from marketplace.audit.findings.tables import FINDINGS, line_of
from marketplace.clock import market_now
from marketplace.errors import InvalidInput
from marketplace.web.listing import page_of
from marketplace.web.tables import show

ROWS_A_PAGE = 20


@login_required
@require_safe
def findings(request: PageRequest) -> HttpResponseBase:
    """Under way, the gravest first."""
    everything = selectors.findings_for(request.viewer)
    choice = FindingFilter(request.GET, for_auditors=request.viewer.sees_everything)
    by_severity = dict(
        everything.order_by().filter(state__in=UNDER_WAY).values_list("severity").annotate(Count("pk"))
    )
    context = {
        "filter": choice,
        "under_way": sum(by_severity.values()),
        "serious": by_severity.get(Severity.SERIOUS, 0),
        "for_auditors": request.viewer.sees_everything,
    }
    rows = selectors.with_subjects(choice.of(everything), request.viewer)
    return show(request, FINDINGS, rows, "findings/findings.html", context, line=line_of)


@login_required
@require_safe
def finding(request: PageRequest, pk: int) -> HttpResponse:
    shown = _shown(request, pk)
    viewer, about_others = request.viewer, selectors.is_about_others(shown)
    subjects = list(selectors.subjects_of(shown, viewer))
    page = page_of(request, selectors.evidence_of(shown, viewer), ROWS_A_PAGE)
    page.object_list = [_row(each) for each in page.object_list]
    under_way = not shown.is_closed
    context = {
        "finding": shown,
        "title": wording.title_of(shown),
        "sentence": "" if about_others else wording.sentence_of(shown),
        "figures": [] if about_others else wording.figures_of(shown),
        "limits": wording.limits_of(shown),
        "method": wording.method_of(shown),
        "severity": Severity(shown.severity),
        "subjects": subjects,
        "organisations": {one.organisation_id: one.organisation for one in subjects},
        "chart": chart_of(selectors.evidence_of(shown, viewer)),
        "page": page,
        "messages_of_it": selectors.messages_of(shown, viewer),
        "answers_as": list(selectors.answers_as(shown, viewer)) if under_way else [],
        "may_judge": under_way and viewer.is_auditor,
        "auditors": selectors.auditors() if viewer.is_auditor else [],
        "for_auditors": viewer.sees_everything,
    }
    return render(request, "findings/finding.html", context)


def _shown(request: PageRequest, pk: int) -> Finding:
    return get_object_or_404(selectors.findings_for(request.viewer), pk=pk)


def _row(evidence: Evidence) -> dict[str, Any]:
    return {
        "evidence": evidence,
        "kind": wording.kind_of(evidence),
        "url": wording.address_of(evidence),
        "facts": [(name.replace("_", " "), value) for name, value in evidence.facts.items()],
    }


@login_required
@require_safe
def hour(request: PageRequest, pk: int, evidence: int) -> HttpResponse:
    """The readings of a metered hour that is evidence: what the site sent."""
    shown = _shown(request, pk)
    row = get_object_or_404(selectors.evidence_of(shown, request.viewer), pk=evidence, kind="metered_hour")
    readings: QuerySet[Reading] = readings_for(request.viewer).filter(
        delivery=row.facts["delivery"], slot=row.facts["slot"]
    )
    context = {"finding": shown, "row": row, "page": page_of(request, readings, ROWS_A_PAGE)}
    return render(request, "findings/hour.html", context)


@login_required
@require_POST
def assign(request: PageRequest, pk: int) -> HttpResponse:
    shown = _shown(request, pk)
    form = AssignForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("Nobody was assigned."), problems_in(form))
    services.assign(viewer=request.viewer, finding=shown, now=market_now(), **form.cleaned_data)
    return redirect("findings:finding", pk)


@login_required
@require_POST
def write(request: PageRequest, pk: int) -> HttpResponse:
    """To a subject, or a note."""
    shown, data = _shown(request, pk), _message(request)
    organisation = _organisation(request, shown, data["organisation"])
    services.write(
        viewer=request.viewer, finding=shown, organisation=organisation, text=data["text"], now=market_now()
    )
    return redirect("findings:finding", pk)


@login_required
@require_POST
def answer(request: PageRequest, pk: int) -> HttpResponse:
    """For an organisation that it is about."""
    shown, data = _shown(request, pk), _message(request)
    organisation = _organisation(request, shown, data["organisation"])
    if organisation is None:
        raise InvalidInput(_("Nothing was entered."), {"organisation": _("Say for whom you answer.")})
    services.answer(
        viewer=request.viewer, finding=shown, organisation=organisation, text=data["text"], now=market_now()
    )
    messages.success(request, _("The auditors read your answer."))
    return redirect("findings:finding", pk)


def _message(request: PageRequest) -> dict[str, Any]:
    form = MessageForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("Nothing was entered."), problems_in(form))
    return form.cleaned_data


def _organisation(request: PageRequest, shown: Finding, pk: int | None) -> Organisation | None:
    """A subject that the reader may know of; another one does not exist."""
    if pk is None:
        return None
    subject = selectors.subjects_of(shown, request.viewer).filter(organisation=pk).first()
    if subject is None:
        raise Http404
    return subject.organisation


@login_required
@require_POST
def close(request: PageRequest, pk: int) -> HttpResponse:
    shown = _shown(request, pk)
    form = CloseForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("The finding stays as it is."), problems_in(form))
    services.close(viewer=request.viewer, finding=shown, now=market_now(), **form.cleaned_data)
    messages.success(request, _("The finding is closed, and those whom it is about were told."))
    return redirect("findings:finding", pk)
