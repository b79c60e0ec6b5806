"""What page views start from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from accounts.models import Organisation
from accounts.requests import PageRequest
from marketplace.errors import DomainError, InvalidInput

P = ParamSpec("P")
Page = Callable[Concatenate[PageRequest, P], HttpResponse]
OrganisationPage = Callable[Concatenate[PageRequest, Organisation, P], HttpResponse]


def with_organisation(view: OrganisationPage[P]) -> Page[P]:
    """Gives the view the organisation that the user works for; who has none is led to create one.

    Auditors and operators work for none: to them the pages of an organisation do not exist.
    """

    @functools.wraps(view)
    def wrapped(request: PageRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.organisation:
            return view(request, request.organisation, *args, **kwargs)
        if request.viewer.sees_everything:
            raise Http404
        return redirect("accounts:new_organisation")

    return login_required(wrapped)


def show_refusal(form: Form, refusal: DomainError) -> None:
    """Put what a service refused where the user can mend it."""
    fields = refusal.fields if isinstance(refusal, InvalidInput) else {}
    for name, text in fields.items():
        form.add_error(name if name in form.fields else None, text)
    if not fields:
        form.add_error(None, refusal.message)


@contextmanager
def refusals_on(form: Form) -> Iterator[None]:
    """What a service refuses inside, the form shows; the view goes on behind it."""
    try:
        yield
    except DomainError as refusal:
        show_refusal(form, refusal)
