"""A Stripe of ours on loopback, for what localstripe does not do: Connect, and refusing what Stripe refuses.

It speaks HTTP, so the library, its time limits and its errors are the real ones. It knows

* the parameters of each call from the library's own types, which are made from Stripe's specification: one
  that does not exist is refused, like another version of the API and a wrong key;
* idempotency keys: the same call gives the first answer again, another one under the same key is refused;
* balances: a transfer above them, in another currency than the destination takes, or to an account that may
  not receive yet, is refused;
* how calls end badly: ``trouble`` makes the next one lose its answer after, or before, it had an effect.

Events are kept, and ``deliveries`` gives them in any order, number and with fresh signatures, as Stripe does.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe
from stripe import params as library
from stripe.params import checkout as library_checkout

from billing.payments.rails.stripe_rail import API_VERSION

KEY = "sk_test_of_ours"
SECRET = "whsec_of_ours"
ALLOWED = {
    "POST /v1/payment_intents": library.PaymentIntentCreateParams,
    "POST /v1/transfers": library.TransferCreateParams,
    "POST /v1/customers": library.CustomerCreateParams,
    "POST /v1/accounts": library.AccountCreateParams,
    "POST /v1/account_links": library.AccountLinkCreateParams,
    "POST /v1/checkout/sessions": library_checkout.SessionCreateParams,
    "GET /v1/payment_intents": library.PaymentIntentListParams,
    "GET /v1/transfers": library.TransferListParams,
}
# Numbers of test cards, as Stripe has them: what happens when they are charged.
DECLINED, NEEDS_BANK, DEBIT = "pm_declined", "pm_3ds", "pm_debit"

Json = dict[str, Any]


class Refusal(Exception):
    def __init__(self, message: str, *, status: int = 400, **error: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": "invalid_request_error", "message": message} | error


@dataclass
class FakeStripe:
    balance: dict[str, int] = field(default_factory=lambda: {"cny": 10_000_000, "usd": 0, "eur": 0})
    objects: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    answers: dict[str, tuple[str, int, Json]] = field(default_factory=dict)
    # Of the next call that changes something: "lost after", "lost before", "500 after", "500 before", "429".
    trouble: list[str] = field(default_factory=list)
    address: str = ""

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.numbers = itertools.count(1)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def all(self, kind: str) -> list[Json]:
        return [each for each in self.objects.values() if each["object"] == kind]

    # --- what happens at Stripe, outside of our calls -------------------------------------------------

    def tell(self, kind: str, thing: Json, **more: Any) -> Json:
        """An event about a thing as it is now."""
        event = {
            "id": self._id("evt"),
            "object": "event",
            "type": kind,
            "api_version": API_VERSION,
            "created": int(time.time()),
            "livemode": False,
            "data": {"object": json.loads(json.dumps(thing))},
        } | more
        self.events.append(event)
        return event

    def settle(self, intent: Json, *, succeeds: bool = True) -> Json:
        """The bank confirms or refuses; a debit clears or bounces."""
        if succeeds:
            return self._succeed(intent)
        intent |= {
            "status": "requires_payment_method",
            "next_action": None,
            "last_payment_error": {"message": "The bank refused."},
        }
        return self.tell("payment_intent.payment_failed", intent)

    def refund(self, intent: Json, amount: int, status: str = "succeeded") -> Json:
        refund = self._new("refund", "re", amount=amount, payment_intent=intent["id"], status=status)
        self.balance[intent["currency"]] -= amount
        self.tell("refund.created", refund)
        return refund

    def dispute(self, intent: Json) -> Json:
        dispute = self._new(
            "dispute",
            "dp",
            amount=intent["amount"],
            payment_intent=intent["id"],
            status="needs_response",
            reason="fraudulent",
        )
        self.tell("charge.dispute.created", dispute)
        self.tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def win(self, dispute: Json) -> None:
        dispute["status"] = "won"
        self.tell("charge.dispute.funds_reinstated", dispute)
        self.tell("charge.dispute.closed", dispute)

    def deliveries(
        self, *, copies: int = 1, order: random.Random | None = None, kinds: str = ""
    ) -> list[tuple[bytes, str]]:
        """Bodies and signature headers, each signed anew: Stripe stamps every delivery with its own time."""
        wanted = [event for event in self.events if event["type"].startswith(kinds)] * copies
        if order is not None:
            order.shuffle(wanted)
        return [signed(event) for event in wanted]

    # --- the API --------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, given: Json, key: str) -> tuple[int, Json]:
        with self.lock:
            self.calls.append(f"{method} {path}")
            if method == "GET":
                return 200, self._read(path, given)
            asked = json.dumps([method, path, given], sort_keys=True)
            if key and key in self.answers:
                before, status, body = self.answers[key]
                if before != asked:
                    raise Refusal(
                        "Keys for idempotent requests can only be used with the same parameters.",
                        type="idempotency_error",
                    )
                return status, body
            status, body = self._act(path, given)
            if key:
                self.answers[key] = asked, status, body
            return status, body

    def _act(self, path: str, given: Json) -> tuple[int, Json]:
        found = re.fullmatch(r"/v1/(\w+)/(\w+)/(cancel|detach)", path)
        if found:
            return 200, self._end(self._known(found[2]), found[3])
        try:
            return 200, self._create(path, given)
        except Refusal as refusal:
            return refusal.status, {"error": refusal.error}

    def _read(self, path: str, given: Json) -> Json:
        found = re.fullmatch(r"/v1/(\w+)/(\w+)", path)
        if found:
            return self._known(found[2])
        kind = {"/v1/payment_intents": "payment_intent", "/v1/transfers": "transfer"}[path]
        wanted = {name: given[name] for name in ("customer", "transfer_group") if name in given}
        since = int(given.get("created", {}).get("gte", 0))
        rows = [
            each
            for each in reversed(self.all(kind))
            if each["created"] >= since and all(each[name] == value for name, value in wanted.items())
        ]
        return {"object": "list", "url": path, "has_more": False, "data": rows[: int(given.get("limit", 10))]}

    def _payment_intent(self, given: Json) -> Json:
        intent = self._new(
            "payment_intent",
            "pi",
            amount=int(given["amount"]),
            amount_received=0,
            currency=given["currency"],
            customer=given["customer"],
            payment_method=given["payment_method"],
            metadata=given["metadata"],
            status="requires_confirmation",
            next_action=None,
        )
        if intent["payment_method"] == DECLINED:
            self.settle(intent, succeeds=False)
            raise Refusal(
                "Your card was declined.",
                status=402,
                type="card_error",
                code="card_declined",
                payment_intent=intent,
            )
        if intent["payment_method"] == NEEDS_BANK:
            url = f"https://hooks.stripe.example/{intent['id']}"
            intent |= {
                "status": "requires_action",
                "next_action": {
                    "type": "redirect_to_url",
                    "redirect_to_url": {"url": url, "return_url": given["return_url"]},
                },
            }
            self.tell("payment_intent.requires_action", intent)
        elif intent["payment_method"] == DEBIT:
            intent["status"] = "processing"
            self.tell("payment_intent.processing", intent)
        else:
            self._succeed(intent)
        return intent

    def _succeed(self, intent: Json) -> Json:
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "next_action": None}
        self.balance[intent["currency"]] += intent["amount"]
        return self.tell("payment_intent.succeeded", intent)

    def _transfer(self, given: Json) -> Json:
        account, amount, currency = self._known(given["destination"]), int(given["amount"]), given["currency"]
        if currency not in account["currencies"]:
            raise Refusal(f"Funds can't be sent to accounts located in another country in {currency}.")
        if account["capabilities"]["transfers"] != "active":
            raise Refusal(
                "Your destination account needs to have the transfers capability enabled.",
                code="insufficient_capabilities_for_transfer",
            )
        if amount > self.balance[currency]:
            raise Refusal(
                "You have insufficient available funds in your Stripe account.", code="balance_insufficient"
            )
        self.balance[currency] -= amount
        transfer = self._new(
            "transfer",
            "tr",
            amount=amount,
            currency=currency,
            destination=account["id"],
            transfer_group=given["transfer_group"],
            metadata=given["metadata"],
            amount_reversed=0,
        )
        self.tell("transfer.created", transfer)
        return transfer

    def reverse(self, transfer: Json, amount: int) -> None:
        transfer["amount_reversed"] += amount
        self.balance[transfer["currency"]] += amount
        self.tell("transfer.reversed", transfer)

    def _account(self, given: Json) -> Json:
        return self._new(
            "account",
            "acct",
            country=given["country"],
            currencies=["cny"],
            capabilities={"transfers": "inactive"},
        )

    def enable(self, account: Json, *currencies: str) -> Json:
        account |= {"capabilities": {"transfers": "active"}, "currencies": list(currencies)}
        return self.tell("account.updated", account)

    def _end(self, thing: Json, how: str) -> Json:
        if how == "detach":
            self.tell("payment_method.detached", thing)
            return thing
        if thing["status"] not in {"requires_action", "requires_payment_method"}:
            raise Refusal(
                f"You cannot cancel this PaymentIntent because it is {thing['status']}.",
                code="payment_intent_unexpected_state",
            )
        thing |= {"status": "canceled", "next_action": None}
        self.tell("payment_intent.canceled", thing)
        return thing

    def new_method(self, kind: str = "card", name: str = "") -> Json:
        facts: Json = {"brand": "visa", "last4": "4242", "exp_year": 2030, "exp_month": 4}
        if kind != "card":
            facts = {"bank_name": "A Bank", "last4": "3000"}
        return self._new("payment_method", "pm", type=kind, **{kind: facts}, **({"id": name} if name else {}))

    def _create(self, path: str, given: Json) -> Json:
        if path == "/v1/payment_intents":
            return self._payment_intent(given)
        if path == "/v1/transfers":
            return self._transfer(given)
        if path == "/v1/accounts":
            return self._account(given)
        if path == "/v1/customers":
            return self._new("customer", "cus", name=given["name"])
        if path == "/v1/account_links":
            url = f"https://connect.stripe.example/{given['account']}"
            return {"object": "account_link", "url": url}
        if path == "/v1/checkout/sessions":
            url = "https://checkout.stripe.example/cs"
            return self._new(
                "checkout.session", "cs", mode=given["mode"], customer=given["customer"], url=url
            )
        raise Refusal(f"Unrecognized request URL (POST: {path})", status=404)

    def _known(self, name: str) -> Json:
        if name not in self.objects:
            raise Refusal(f"No such object: '{name}'", status=404, code="resource_missing")
        return self.objects[name]

    def _new(self, kind: str, prefix: str, **facts: Any) -> Json:
        thing = {"id": self._id(prefix), "object": kind, "created": int(time.time())} | facts
        self.objects[thing["id"]] = thing
        return thing

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self.numbers):06}"


def signed(event: Json, *, secret: str = SECRET, at: int | None = None) -> tuple[bytes, str]:
    """The body of a webhook and the header that signs it."""
    body = json.dumps(event, indent=2)
    return body.encode(), stripe.WebhookSignature.generate_signature_header(body, secret, at)


def _handler(fake: FakeStripe) -> type[BaseHTTPRequestHandler]:  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._serve("GET", parts.path, _tree(parse_qsl(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            self._serve("POST", self.path, _tree(parse_qsl(body)))

        def _serve(self, method: str, path: str, given: Json) -> None:
            trouble = fake.trouble.pop(0) if fake.trouble and method == "POST" else ""
            if trouble.endswith("before") or trouble == "429":
                self._end_badly(trouble)
                return
            try:
                self._check(method, path, given)
                status, body = fake.answer(method, path, given, self.headers.get("Idempotency-Key", ""))
            except Refusal as refusal:
                status, body = refusal.status, {"error": refusal.error}
            if trouble:
                self._end_badly(trouble)
            else:
                self._send(status, body)

        def _end_badly(self, trouble: str) -> None:
            if trouble.startswith("lost"):
                self.close_connection = True
                self.connection.close()
            else:
                status = 429 if trouble == "429" else 500
                self._send(status, {"error": {"type": "api_error", "message": "Something went wrong."}})

        def _check(self, method: str, path: str, given: Json) -> None:
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                raise Refusal("Invalid API Key provided", status=401)
            if self.headers.get("Stripe-Version") != API_VERSION:
                raise Refusal("An API version that this fake does not know")
            known = ALLOWED.get(f"{method} {path}")
            unknown = sorted(set(given) - set(known.__annotations__)) if known else []
            if unknown:
                raise Refusal(f"Received unknown parameter: {unknown[0]}", code="parameter_unknown")

        def _send(self, status: int, body: Json) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


def _tree(pairs: list[tuple[str, str]]) -> Json:
    """``a[b][c]=1`` as nested objects, the way Stripe reads forms."""
    tree: Json = {}
    for name, value in pairs:
        first, *rest = re.findall(r"[^\[\]]+", name)
        inner = tree
        for step in rest:
            inner = inner.setdefault(first, {})
            first = step
        inner[first] = value
    return tree


def running() -> Iterator[FakeStripe]:
    fake = FakeStripe()
    yield fake
    fake.stop()
