"""Where Stripe delivers its events."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from billing.payments import tasks, webhooks
from billing.payments.rails.stripe_rail import SignatureWrong, verified_event

log = structlog.get_logger(__name__)

LARGEST_EVENT = 1024 * 1024


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Check the signature on the raw body, store the event, let a task handle it.

    Answered before anything is done about it: Stripe gives up after a few seconds and delivers again. The
    task may be lost with the broker; the beat handles what is still open.
    """
    if len(request.body) > LARGEST_EVENT:
        return HttpResponseBadRequest("too large")
    try:
        event = verified_event(request.body, request.headers.get("Stripe-Signature", ""))
        stored = webhooks.store(event)
    except SignatureWrong:
        return HttpResponseBadRequest("signature")
    except (KeyError, TypeError, ValueError):
        return HttpResponseBadRequest("not an event")
    if stored is not None:
        try:
            tasks.handle_provider_event.delay(stored.pk)
        except OperationalError:
            log.exception("provider_event_not_queued", provider_event=stored.pk)
    return HttpResponse(status=200)
