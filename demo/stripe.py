"""The demo's stand-in for Stripe: localstripe on loopback, and the page of Stripe's that it does not have.

``python -m demo.stripe --port 8420 --webhooks http://127.0.0.1:8000/webhooks/stripe/ --secret …``.
localstripe knows customers, cards, payments and signed webhooks. Where Stripe sends a buyer to enter a card
on its own page (Checkout in mode ``setup``), this one has a form with a test card filled in.
"""

from __future__ import annotations

import argparse
import pickle
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from aiohttp import web
from localstripe import resources, server, webhooks
from localstripe.errors import UserError

from demo.card_numbers import CARD, DECLINED, GOOD

# localstripe asks for no key below /_config, and a browser has none.
ENTER = "/_config/enter-a-card/{session}"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>A stand-in for Stripe</title>
<body style="font:16px/1.6 system-ui;max-width:32rem;margin:3rem auto;padding:0 1rem">
<h1>A stand-in for Stripe</h1>
<p>This is localstripe, not Stripe: no card is charged.
{good} pays; {declined} is saved, and declined when it should pay.</p>
<p role="alert">{problem}</p>
<form method="post">{fields}<p><button>Save the card</button></p></form>"""
FIELD = '<p><label>{label}<br><input name="{name}" value="{value}" required></label></p>'
LABELS = {
    "number": "Card number",
    "exp_month": "Valid until: month",
    "exp_year": "Year",
    "cvc": "Check digits",
}


@dataclass(frozen=True, slots=True)
class Session:
    customer: str
    success_url: str


SESSIONS: dict[str, Session] = {}


async def open_session(request: web.Request) -> web.Response:
    """Checkout in mode ``setup``: answers with the address of the page."""
    given = await server.get_post_data(request)
    name = f"cs_{resources.random_id(14)}"
    SESSIONS[name] = Session(str(given["customer"]), str(given["success_url"]))
    page = str(request.url.with_path(ENTER.format(session=name)))
    return web.json_response({"id": name, "object": "checkout.session", "url": page})


async def show_page(request: web.Request) -> web.Response:
    _session_of(request)
    return _page(CARD)


async def save_card(request: web.Request) -> web.Response:
    """Attach the card and tell the exchange, as Stripe does; then back to where the buyer came from."""
    session = _session_of(request)
    given = await request.post()
    card = {name: str(given.get(name, "")).replace(" ", "") for name in CARD}
    try:
        _attach(session.customer, card)
    except UserError as error:
        return _page(card, problem=str(error.body["error"]["message"]))
    raise web.HTTPSeeOther(session.success_url)


def _attach(customer: str, card: dict[str, str]) -> None:
    # What localstripe does when its API is called has no public names.
    method = resources.PaymentMethod(type="card", card=dict(card))
    resources.PaymentMethod._api_attach(method.id, customer=customer)  # noqa: SLF001
    intent = resources.SetupIntent(customer=customer)
    resources.SetupIntent._api_confirm(intent.id, payment_method=method.id)  # noqa: SLF001
    webhooks.schedule_webhook(resources.Event("setup_intent.succeeded", intent))


def _session_of(request: web.Request) -> Session:
    session = SESSIONS.get(request.match_info["session"])
    if session is None:
        raise web.HTTPNotFound(text="This page is no longer open: start again at the exchange.")
    return session


def _page(card: dict[str, str], problem: str = "") -> web.Response:
    fields = "".join(
        FIELD.format(label=label, name=name, value=escape(card[name])) for name, label in LABELS.items()
    )
    text = PAGE.format(fields=fields, problem=escape(problem), good=GOOD, declined=DECLINED)
    return web.Response(text=text, content_type="text/html")


def _keep_in(file: Path | None) -> None:
    """localstripe would keep what it knows in one file for the whole machine."""

    def dump(store: Any) -> None:
        if file is not None:
            file.write_bytes(pickle.dumps(dict(store)))

    resources.Store.dump_to_disk = dump
    if file is not None and file.exists():
        resources.store.update(pickle.loads(file.read_bytes()))  # noqa: S301 - our own file


def serve(port: int) -> None:
    router = server.app.router
    router.add_post("/v1/checkout/sessions", open_session)
    router.add_get(ENTER, show_page)
    router.add_post(ENTER, save_card)
    web.run_app(server.app, host="127.0.0.1", port=port, print=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keep", type=Path, help="a file for what it knows; it forgets all, if not said")
    parser.add_argument("--webhooks", help="the address that is told what happens, with --secret")
    parser.add_argument("--secret", default="", help="what webhooks are signed with")
    given = parser.parse_args()
    _keep_in(given.keep)
    if given.webhooks:
        webhooks.register_webhook("exchange", given.webhooks, given.secret, None)
    serve(given.port)


if __name__ == "__main__":
    main()
