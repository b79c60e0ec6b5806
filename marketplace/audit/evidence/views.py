"""Pages of packs: those that were made, asking for one, and its bytes."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import show_refusal
from accounts.requests import PageRequest
from marketplace.audit.evidence.forms import PackForm
from marketplace.audit.evidence.models import EvidencePack
from marketplace.audit.evidence.selectors import packs_for
from marketplace.audit.evidence.services import record_download, request_pack
from marketplace.clock import market_now
from marketplace.errors import DomainError
from marketplace.web.listing import page_of


@login_required
@require_safe
def packs(request: PageRequest) -> HttpResponse:
    """All of them, and the form for another one, filled in by the page that led here."""
    return _packs(request, PackForm(initial=request.GET.dict()))


@login_required
@require_POST
def request_one(request: PageRequest) -> HttpResponse:
    if not request.viewer.sees_everything:
        raise Http404
    form = PackForm(request.POST)
    if form.is_valid():
        try:
            job = request_pack(viewer=request.viewer, now=market_now(), **form.cleaned_data)
        except DomainError as refusal:
            show_refusal(form, refusal)
        else:
            return redirect("jobs:job", job.pk)
    return _packs(request, form)


def _packs(request: PageRequest, form: PackForm) -> HttpResponse:
    if not request.viewer.sees_everything:
        raise Http404
    context = {"page": page_of(request, packs_for(request.viewer)), "form": form}
    return render(request, "evidence/packs.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def pack(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(packs_for(request.viewer), pk=pk)
    return render(request, "evidence/pack.html", {"pack": shown})


@login_required
@require_safe
def download(request: PageRequest, pk: int) -> HttpResponse:
    """The zip. Its download is recorded first."""
    shown: EvidencePack = get_object_or_404(packs_for(request.viewer).defer(None), pk=pk)
    if shown.content is None:
        raise Http404
    record_download(viewer=request.viewer, asked=shown, now=market_now())
    answer = HttpResponse(bytes(shown.content), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{shown.file_name}"'
    return answer
