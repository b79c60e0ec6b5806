"""The OpenAPI document and its pages, for everybody and served by us."""

from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from marketplace.api.problems import not_found, problem_response
from marketplace.errors import DomainError


class Schema(SpectacularAPIView):
    permission_classes = (AllowAny,)


class Documentation(SpectacularSwaggerSplitView):
    """Swagger UI; its script is an answer of its own, for the pages' policy allows no inline script."""

    permission_classes = (AllowAny,)
    url_name = "api:schema"
    template_name = "api/docs.html"


@csrf_exempt
def unknown_address(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return problem_response(not_found())


@require_safe
def explain_problem(request: HttpRequest, code: str) -> HttpResponse:
    """What the ``type`` of a problem document links to."""
    kinds = {kind.code: kind for kind in _kinds(DomainError)}
    if code not in kinds:
        raise Http404
    kind = kinds[code]
    # Not the class itself: a template would call it.
    problem = {"title": _(kind.title), "code": kind.code, "status": kind.status}
    return render(request, "api/problem.html", {"problem": problem})


def _kinds(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
