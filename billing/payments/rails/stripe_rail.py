"""Stripe, and the only module that imports its library.

Cards and bank debits come in by PaymentIntents that are confirmed here, with methods that the buyer saved
on Stripe's own page; owners are paid by transfers to connected accounts. Every call is one attempt with a
time limit: the library would repeat a POST by itself, and what is not known is looked up first.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import stripe
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing.payments.rails import Answer, Outcome, PayIn, PayOut
from marketplace.errors import DomainError

# The version that this code was written for. The webhook endpoint at Stripe is set to the same one.
API_VERSION = "2026-10-28.endive"
CONNECT_SECONDS, READ_SECONDS = 4.0, 20.0
# Reading has no effect, so it may be repeated at once.
READ_RETRIES = 2
SIGNATURE_SECONDS = 300
LOOKED_THROUGH = 500
CLOCKS_DIFFER = timedelta(minutes=10)

METHODS_OF: Mapping[str, tuple[str, ...]] = {
    "CNY": ("card",),
    "EUR": ("card", "sepa_debit"),
    "USD": ("card", "us_bank_account"),
}
OUTCOMES: Mapping[str, Outcome] = {
    "succeeded": Outcome.SUCCEEDED,
    "processing": Outcome.PROCESSING,
    "requires_action": Outcome.REQUIRES_ACTION,
    "requires_payment_method": Outcome.FAILED,
    "canceled": Outcome.CANCELLED,
}
# The call was understood and refused: it had no effect, and the same call would be refused again.
REFUSED = (
    stripe.InvalidRequestError,
    stripe.AuthenticationError,
    stripe.PermissionError,
    stripe.IdempotencyError,
)


class StripeDoesNotAnswer(DomainError):
    """Of calls that move no money: whoever asked may ask again."""

    code = "stripe_does_not_answer"
    title = gettext_noop("Stripe did not do what it was asked")
    status = 503


class SignatureWrong(Exception):
    """The body was not signed by Stripe with a secret of ours, or long ago."""


@dataclass(frozen=True, slots=True)
class Method:
    provider_id: str
    kind: str
    label: str
    expires: str


def is_set_up() -> bool:
    return bool(settings.STRIPE_SECRET_KEY)


P = ParamSpec("P")
R = TypeVar("R")


def _explained(call: Callable[P, R]) -> Callable[P, R]:
    """A call that moves no money; Stripe's error becomes one that a user may see."""

    @functools.wraps(call)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except stripe.StripeError as error:
            said = error.user_message or type(error).__name__
            raise StripeDoesNotAnswer(
                _("Stripe says: %(said)s. Nothing was changed; try again.") % {"said": said}
            ) from error

    return wrapped


class StripeRail:
    def __init__(self, client: stripe.StripeClient | None = None) -> None:
        self._client = client or _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)

    def pay_in(self, order: PayIn) -> Answer:
        """Create and confirm a PaymentIntent in one call."""
        params: dict[str, Any] = {
            "amount": order.amount,
            "currency": order.currency.lower(),
            "customer": order.customer,
            "payment_method": order.method,
            "confirm": True,
            "metadata": {"operation": str(order.operation), "invoice": order.invoice},
        }
        if settings.STRIPE_REDIRECTS:
            params["return_url"] = order.return_url
        intents = self._client.v1.payment_intents
        return _asked(lambda: answer_of_intent(_plain(intents.create(params, _once(order.operation)))))  # type: ignore[arg-type]

    def find_pay_in(self, order: PayIn) -> Answer | None:
        return _looked_up(lambda: self._intent_of(order))

    def cancel_pay_in(self, order: PayIn) -> Answer:
        """Cancel; what Stripe cannot cancel any more is answered as it stands there."""
        try:
            intent = self._client.v1.payment_intents.cancel(order.provider_id)
        except stripe.InvalidRequestError:
            return self.find_pay_in(order) or Answer(Outcome.UNKNOWN)
        except stripe.StripeError as error:
            return _unknown(error)
        return answer_of_intent(_plain(intent))

    def pay_out(self, order: PayOut) -> Answer:
        params: Any = {
            "amount": order.amount,
            "currency": order.currency.lower(),
            "destination": order.destination,
            "transfer_group": str(order.operation),
            "metadata": {"operation": str(order.operation)},
        }
        transfers = self._client.v1.transfers
        return _asked(lambda: answer_of_transfer(_plain(transfers.create(params, _once(order.operation)))))

    def find_pay_out(self, order: PayOut) -> Answer | None:
        return _looked_up(lambda: self._transfer_of(order))

    @_explained
    def new_customer(self, *, organisation: int, name: str) -> str:
        """The id of a new customer; asked twice for one organisation, Stripe answers with the same one."""
        params: Any = {"name": name, "metadata": {"organisation": str(organisation)}}
        return self._client.v1.customers.create(params, _once(f"customer:{organisation}")).id

    @_explained
    def address_to_save_a_method(self, *, customer: str, currency: str, return_url: str) -> str:
        """Where the buyer enters a card or a bank account: on Stripe's page, never on ours."""
        params: Any = {
            "mode": "setup",
            "customer": customer,
            "currency": currency.lower(),
            "allowed_payment_method_types": list(METHODS_OF[currency]),
            "success_url": return_url,
            "cancel_url": return_url,
        }
        return self._client.v1.checkout.sessions.create(params).url or ""

    @_explained
    def method(self, provider_id: str) -> Method:
        return method_of(_plain(self._client.v1.payment_methods.retrieve(provider_id, options=READING)))

    @_explained
    def remove_method(self, provider_id: str) -> None:
        self._client.v1.payment_methods.detach(provider_id)

    @_explained
    def new_connected_account(self, *, organisation: int, country: str) -> str:
        """An account that only receives transfers; Stripe asks its owner who it is."""
        params: Any = {
            "country": country,
            "controller": {
                "fees": {"payer": "application"},
                "losses": {"payments": "application"},
                "requirement_collection": "stripe",
                "stripe_dashboard": {"type": "express"},
            },
            "capabilities": {"transfers": {"requested": True}},
            "metadata": {"organisation": str(organisation)},
        }
        return self._client.v1.accounts.create(params, _once(f"account:{organisation}")).id

    @_explained
    def address_to_sign_up(self, *, account: str, return_url: str) -> str:
        params: Any = {
            "account": account,
            "type": "account_onboarding",
            "return_url": return_url,
            "refresh_url": return_url,
        }
        return self._client.v1.account_links.create(params).url

    def _intent_of(self, order: PayIn) -> Answer | None:
        intents = self._client.v1.payment_intents
        if order.provider_id:
            return answer_of_intent(_plain(intents.retrieve(order.provider_id, options=READING)))
        params: dict[str, Any] = {"customer": order.customer, "limit": 100}
        if order.sent_at is not None:
            params["created"] = {"gte": int((order.sent_at - CLOCKS_DIFFER).timestamp())}
        found = intents.list(params, READING)  # type: ignore[arg-type]
        for number, intent in enumerate(found.auto_paging_iter()):
            if _operation_of(_plain(intent)) == str(order.operation):
                return answer_of_intent(_plain(intent))
            if number == LOOKED_THROUGH:
                return Answer(Outcome.UNKNOWN, reason="too many payments to look through")
        return None

    def _transfer_of(self, order: PayOut) -> Answer | None:
        transfers = self._client.v1.transfers
        if order.provider_id:
            return answer_of_transfer(_plain(transfers.retrieve(order.provider_id, options=READING)))
        params: Any = {"transfer_group": str(order.operation), "limit": 2}
        found = transfers.list(params, READING).data
        return answer_of_transfer(_plain(found[0])) if found else None


def answer_of_intent(intent: Mapping[str, Any]) -> Answer:
    """What a PaymentIntent, from a call or from a webhook, says became of a payment."""
    outcome = OUTCOMES.get(intent["status"], Outcome.UNKNOWN)
    received = intent.get("amount_received") if outcome is Outcome.SUCCEEDED else None
    error = intent.get("last_payment_error") or {}
    return Answer(
        outcome,
        provider_id=intent["id"],
        reason=error.get("message") or "" if outcome is Outcome.FAILED else "",
        action_url=_action_url(intent) if outcome is Outcome.REQUIRES_ACTION else "",
        amount=intent["amount"] if received is None else received,
        currency=intent["currency"].upper(),
    )


def answer_of_transfer(transfer: Mapping[str, Any]) -> Answer:
    """A transfer that exists has moved the money; reversals are told apart by the caller."""
    return Answer(
        Outcome.SUCCEEDED,
        provider_id=transfer["id"],
        amount=transfer["amount"],
        currency=transfer["currency"].upper(),
    )


def method_of(method: Mapping[str, Any]) -> Method:
    kind = method["type"]
    facts = method.get(kind) or {}
    name = facts.get("brand") or facts.get("bank_name") or facts.get("bank_code") or kind
    year, month = facts.get("exp_year"), facts.get("exp_month")
    return Method(
        provider_id=method["id"],
        kind=kind,
        label=f"{name} •••• {facts.get('last4', '')}"[:40],
        expires=f"{year}-{month:02}" if year and month else "",
    )


def verified_event(body: bytes, signature: str) -> dict[str, Any]:
    """The event in a webhook's raw body, if one of our secrets signed exactly these bytes lately."""
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, SIGNATURE_SECONDS)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            continue
        event: dict[str, Any] = json.loads(body)
        return event
    raise SignatureWrong


READING: Any = {"max_network_retries": READ_RETRIES}


@functools.cache
def _client(key: str, base: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base},
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, READ_SECONDS)),
        max_network_retries=0,
    )


def _once(operation: object) -> Any:
    return {"idempotency_key": str(operation)}


def _asked(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except stripe.CardError as error:
        return Answer(Outcome.FAILED, provider_id=_intent_id(error), reason=error.user_message or "declined")
    except REFUSED as error:
        return Answer(Outcome.FAILED, reason=f"Stripe refused: {error.user_message or error.code}")
    except stripe.StripeError as error:
        return _unknown(error)


def _looked_up(call: Callable[[], Answer | None]) -> Answer | None:
    try:
        return call()
    except stripe.StripeError as error:
        return _unknown(error)


def _unknown(error: stripe.StripeError) -> Answer:
    return Answer(Outcome.UNKNOWN, reason=f"{type(error).__name__}: {error.user_message or ''}"[:300])


def _intent_id(error: stripe.CardError) -> str:
    """Of the intent that was made all the same, so that its webhooks find the payment."""
    body: Any = error.json_body or {}
    intent = body.get("error", {}).get("payment_intent") or {}
    return str(intent.get("id", ""))


def _action_url(intent: Mapping[str, Any]) -> str:
    """Where the buyer's bank asks whether it is the buyer. Nothing but https leaves our pages."""
    action = intent.get("next_action") or {}
    url = (action.get("redirect_to_url") or {}).get("url") or ""
    return url if urlsplit(url).scheme == "https" else ""


def _operation_of(item: Mapping[str, Any]) -> str:
    return str((item.get("metadata") or {}).get("operation", ""))


def _plain(item: Any) -> dict[str, Any]:
    plain: dict[str, Any] = item.to_dict()
    return plain
