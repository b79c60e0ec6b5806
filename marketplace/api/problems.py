"""Every refusal of the API is an RFC 9457 problem document.

    {"type": "/problems/offers_fit_the_fleet", "title": …, "status": 409, "detail": …,
     "code": "offers_fit_the_fleet", "request_id": …, "errors": [{"field", "pointer", "message"}]}

``code`` is stable, ``detail`` is for people and in their language. What a ``DomainError`` carries in
``details`` is added as further members. Anything that is not listed here is our mistake: a 500.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views import defaults
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from marketplace.api.rendering import as_json
from marketplace.errors import DomainError, InvalidInput, NotAllowed

CONTENT_TYPE = "application/problem+json"
NOT_FOUND = gettext_noop(
    "There is nothing here, or nothing that you may see. Check the address and the organisation."
)


class ApiRefusal(DomainError):
    """A refusal of the API itself, not of the market. Subclasses name the code."""

    status = 400


class BodyTooLarge(ApiRefusal):
    code = "body_too_large"
    title = "The body is too large"
    status = 413


def problem(
    *, code: str, title: str, status: int, detail: str, members: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The document. ``members`` are further ones; they never replace a standard one."""
    return {
        **(members or {}),
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }


def problem_of(error: Exception) -> dict[str, Any] | None:
    """The problem that an error means, or None when it is a fault of ours."""
    match error:
        case DomainError():
            return _of_domain_error(error)
        case ValidationError():
            return _of_validation(error)
        case APIException():
            return _of_api_exception(error)
        case Http404():
            return not_found()
        case RequestDataTooBig() | PermissionDenied():
            return _of_domain_error(_refusal_of(error))
    return None


def _refusal_of(error: RequestDataTooBig | PermissionDenied) -> DomainError:
    """Django's own refusals in our words."""
    if isinstance(error, PermissionDenied):
        return NotAllowed(_("You may not do this."))
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return BodyTooLarge(_("Send at most %(most)s bytes at a time.") % {"most": most})


def not_found() -> dict[str, Any]:
    return problem(code="not_found", title="Not found", status=404, detail=_(NOT_FOUND))


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:  # noqa: ARG001
    """DRF's hook. Rolls back what the view's transaction has written."""
    document = problem_of(error)
    if document is None:
        return None
    set_rollback()
    return Response(document, status=document["status"], headers=_headers(error), content_type=CONTENT_TYPE)


def problem_response(document: Mapping[str, Any]) -> HttpResponse:
    """The same outside of DRF, for addresses that no API view answers."""
    return HttpResponse(as_json(document), status=document["status"], content_type=CONTENT_TYPE)


def is_api_path(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. The error itself is in the log, under the request's id."""
    if not is_api_path(request):
        return defaults.server_error(request)
    detail = _("Something broke on our side. Nothing is half done; try again, and quote the request id.")
    return problem_response(problem(code="internal_error", title="Internal error", status=500, detail=detail))


def _of_domain_error(error: DomainError) -> dict[str, Any]:
    members = dict(error.details)
    if isinstance(error, InvalidInput):
        members["errors"] = [_field_error(*field) for field in error.fields.items()]
    return problem(
        members=members,
        code=error.code,
        title=str(error.title),
        status=error.status,
        detail=str(error.message),
    )


def _of_validation(error: ValidationError) -> dict[str, Any]:
    return problem(
        members={"errors": list(_flatten(error.detail, []))},
        code=InvalidInput.code,
        title=InvalidInput.title,
        status=InvalidInput.status,
        detail=_("Some of the input is not valid. See “errors” for each field."),
    )


def _of_api_exception(error: APIException) -> dict[str, Any]:
    detail = error.detail
    code = detail.code if isinstance(detail, ErrorDetail) else error.default_code
    return problem(
        code=str(code),
        title=HTTPStatus(error.status_code).phrase,
        status=error.status_code,
        detail=str(detail),
    )


def _headers(error: Exception) -> dict[str, str]:
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = str(error.auth_header)  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    return headers


def _flatten(detail: Any, path: list[str]) -> Iterator[dict[str, str]]:
    """Each message of DRF's nested error structure with the place it is about."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            at_root = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _flatten(inner, path if at_root else [*path, str(name)])
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, (Mapping, list))
            yield from _flatten(inner, [*path, str(index)] if nested else path)
    else:
        yield _field_error(".".join(path), detail)


def _field_error(field: str, message: object) -> dict[str, str]:
    """``pointer`` is a JSON pointer (RFC 6901) into the request's body; the empty one is all of it."""
    steps = field.replace("~", "~0").replace("/", "~1").split(".") if field else []
    return {"field": field, "pointer": "".join(f"/{step}" for step in steps), "message": str(message)}
