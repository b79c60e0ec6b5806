"""``Idempotency-Key``: a POST that is sent twice happens once.

Follows draft-ietf-httpapi-idempotency-key-header: the same key with the same request gets the first answer
again, byte for byte, with ``Idempotency-Replayed: true``; with another request it is refused (422); while the
first is still running it is refused too (409); and without a key where one is needed it is a 400.

The answer is stored in the transaction that creates the object. Either both are there or neither, so a key
whose request failed can be used again. An advisory lock of that transaction tells a running request from a
finished one; the unique constraint on (actor, key) holds even without it.

Keys are the actor's own: two tokens never meet each other's.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from django.db import connection, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import IdempotencyRecord, Organisation
from marketplace.api.problems import ApiRefusal
from marketplace.api.rendering import as_json
from marketplace.api.views import DomainView

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST_KEY = 255

V = TypeVar("V", bound=DomainView)
P = ParamSpec("P")
Handler = Callable[Concatenate[V, Request, P], HttpResponseBase]


class KeyMissing(ApiRefusal):
    code = "idempotency_key_missing"
    title = "This request needs an Idempotency-Key"


class KeyMalformed(ApiRefusal):
    code = "idempotency_key_malformed"
    title = "The Idempotency-Key is not usable"


class KeyInUse(ApiRefusal):
    code = "idempotency_key_in_use"
    title = "A request with this Idempotency-Key is still running"
    status = 409


class KeyReused(ApiRefusal):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"
    status = 422


@overload
def idempotent(handler: Handler[V, P]) -> Handler[V, P]: ...
@overload
def idempotent(*, required: bool) -> Callable[[Handler[V, P]], Handler[V, P]]: ...
def idempotent(handler: Handler[V, P] | None = None, *, required: bool = True) -> Any:
    """Decorates the ``post`` (or a viewset's action) of a ``DomainView`` that creates something.

    The handler runs inside one transaction. Its answer must be a DRF ``Response`` and must hold no
    secret, for it is stored.
    """
    if handler is None:
        return functools.partial(_decorate, required=required)
    return _decorate(handler, required=required)


def _decorate(handler: Handler[V, P], *, required: bool) -> Handler[V, P]:
    @extend_schema(parameters=[_parameter(required=required)])
    @functools.wraps(handler)
    def wrapped(view: V, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        key = _key_of(request)
        if key is None:
            if required:
                raise KeyMissing(_("Send the header with a new UUID, and keep it for retries."))
            return handler(view, request, *args, **kwargs)
        if view.viewer.actor is None:
            raise NotAuthenticated
        with transaction.atomic():
            record, is_new = _claim(actor=str(view.viewer.actor), key=key, digest=_digest_of(request))
            if is_new:
                _keep(record, handler(view, request, *args, **kwargs))
            return _answer(record, replayed=not is_new)

    return wrapped


def _parameter(*, required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        HEADER,
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        description="A new UUID for each thing to create. Repeat the request with it as often as needed.",
    )


def _key_of(request: Request) -> str | None:
    """The header's value; the draft writes it in quotes, most clients do not."""
    header = request.headers.get(HEADER)
    if header is None:
        return None
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise KeyMalformed(_("Use 1 to %(most)s printable characters, best a UUID.") % {"most": LONGEST_KEY})
    return key


def _digest_of(request: Request) -> str:
    """SHA-256 of what is asked: for whom, method, address with its query, and the body in canonical form.

    The same person may work for several organisations, one after the other.
    """
    organisation: Organisation | None = request.organisation  # type: ignore[attr-defined]
    acting_for = str(organisation.pk) if organisation else ""
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    asked = "\n".join((acting_for, request.method or "", request.get_full_path(), body))
    return hashlib.sha256(asked.encode()).hexdigest()


def _claim(*, actor: str, key: str, digest: str) -> tuple[IdempotencyRecord, bool]:
    """The record of a finished request, or a new one that this transaction may fill."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"idempotency:{actor}:{key}"]
        )
        if not cursor.fetchone()[0]:
            raise KeyInUse(_("Wait for its answer, or send the same request again in a moment."))
    record = IdempotencyRecord.objects.filter(actor=actor, key=key).first()
    if record is None:
        return IdempotencyRecord(actor=actor, key=key, request_digest=digest), True
    if record.request_digest != digest:
        raise KeyReused(_("It was sent for another organisation, address or body before. Use a new one."))
    return record, False


def _keep(record: IdempotencyRecord, response: HttpResponseBase) -> None:
    if not isinstance(response, Response):
        raise TypeError("an idempotent handler answers with a DRF Response")
    record.status = response.status_code
    # Text inside the JSON column, not an object: jsonb would reorder the members of the answer.
    record.body = as_json(response.data).decode()
    record.location = response.headers.get("Location", "")
    record.save(force_insert=True)


def _answer(record: IdempotencyRecord, *, replayed: bool) -> HttpResponse:
    headers = {"Location": record.location} if record.location else {}
    if replayed:
        headers[REPLAYED] = "true"
    return HttpResponse(record.body, status=record.status, content_type="application/json", headers=headers)
