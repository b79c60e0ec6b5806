"""Supply, demand, agreements, deliveries and billing."""

from __future__ import annotations

from typing import Any

from billing.invoicing.models import Line
from billing.metering.models import Reading
from billing.rating.models import ParkedUsage
from tests.billing import builders
from tests.cast import Cast
from tests.factories import make_fleet, make_offer, make_request, make_site
from tests.pages_market.scenes import make_rates
from tests.pages_trade.scenes import billed, credited, disputed, make_delivery
from tests.permissions.objects import an_earlier_charge
from tests.permissions.table import Row, only, page


def a_site(cast: Cast) -> dict[str, object]:
    return {"pk": make_site(cast.owner).pk}


def an_offer(cast: Cast) -> dict[str, object]:
    return {"pk": make_offer(make_fleet(make_site(cast.owner))).pk}


def a_request(cast: Cast) -> dict[str, object]:
    return {"pk": make_request(cast.buyer).pk}


def an_agreement(cast: Cast) -> dict[str, object]:
    return {"pk": make_delivery(owner=cast.owner, buyer=cast.buyer).agreement.pk}


def a_delivery(cast: Cast) -> dict[str, object]:
    return {"pk": make_delivery(owner=cast.owner, buyer=cast.buyer).pk}


def a_charge(cast: Cast) -> dict[str, object]:
    return {"pk": billed(cast).charge.pk}


def a_dispute(cast: Cast) -> dict[str, object]:
    return {"pk": disputed(cast).pk}


def a_rating_run(cast: Cast) -> dict[str, object]:
    return {"pk": billed(cast).charge.run_id}


def a_reading(cast: Cast) -> dict[str, object]:
    billed(cast)
    return {"pk": Reading.objects.latest("pk").pk}


def an_overage(cast: Cast) -> dict[str, object]:
    delivery = builders.make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    agent = builders.agent_of(cast.owner)
    for name in "ab":
        builders.send(agent, builders.event(delivery, name, seconds=3600, quantity=28_800))
    builders.rate_at()
    return {"pk": ParkedUsage.objects.get().pk}


def an_invoice(cast: Cast) -> dict[str, object]:
    return {"number": billed(cast).invoice.number}


def a_statement(cast: Cast) -> dict[str, object]:
    return {"number": billed(cast).statement.number}


def a_credit_note(cast: Cast) -> dict[str, object]:
    return {"number": credited(cast).number}


def an_invoice_line(cast: Cast) -> dict[str, object]:
    invoice = billed(cast).invoice
    return {"number": invoice.number, "pk": Line.objects.get(document=invoice).pk}


def a_statement_line(cast: Cast) -> dict[str, object]:
    statement = billed(cast).statement
    return {"number": statement.number, "pk": Line.objects.get(document=statement).pk}


def a_ledger(cast: Cast) -> dict[str, object]:
    billed(cast)
    return {"organisation": cast.buyer.pk, "currency": "CNY"}


def an_unfinished_request(cast: Cast) -> dict[str, Any]:
    make_rates()
    return {"alternatives": "1"}


# Lists show everybody their own. The stranger administers an owner first, and a buyer.
LIST = page(stranger=200)
# The exchange's people work for no organisation, so the forms of one do not exist for them.
FORM = only(200, "trader", "admin", auditor=404, operator=404, counterparty=403)
OWNERS_FORM = FORM | {"stranger": 200}
BUYERS_FORM = FORM | {"stranger": 403}
OWN = only(200, "trader", "admin", counterparty=404)
CHANGE = only(302, "trader", "admin", counterparty=404)
MONEY = only(200, "finance", "admin", "auditor", "operator", stranger=200, counterparty=200)
ONE_SIDE = only(200, "finance", "admin", "auditor", "operator", counterparty=404)
BOTH_SIDES = page(counterparty=200)
EXCHANGE_ONLY = only(200, "auditor", "operator", refused=404)

SPEAKERS = only(302, "trader", "finance", "admin")

ROWS = [
    Row("supply:fleets", LIST),
    Row("supply:new_site", OWNERS_FORM),
    Row("supply:new_site", OWNERS_FORM | dict.fromkeys(("trader", "admin", "stranger"), 422), method="POST"),
    Row("supply:site", page(counterparty=404), given=a_site),
    Row("supply:new_fleet", OWN, given=a_site),
    Row("supply:new_fleet", OWN | {"trader": 422, "admin": 422}, method="POST", given=a_site),
    Row("supply:offers", LIST),
    Row("supply:new_offer", OWNERS_FORM),
    Row("supply:new_offer", OWNERS_FORM | dict.fromkeys(("trader", "admin", "stranger"), 422), method="POST"),
    Row("supply:offer", page(counterparty=404), given=an_offer),
    Row("supply:amend_offer", OWN, given=an_offer),
    Row("supply:amend_offer", CHANGE, method="POST", given=an_offer, body={"asks": "11"}),
    Row("supply:withdraw_offer", CHANGE, method="POST", given=an_offer),
    Row("demand:requests", LIST, of="buyer"),
    Row("demand:create", BUYERS_FORM, of="buyer"),
    Row("demand:create", BUYERS_FORM | {"trader": 422, "admin": 422}, method="POST", of="buyer"),
    Row("demand:request", page(counterparty=404), of="buyer", given=a_request),
    Row("demand:withdraw", CHANGE, method="POST", of="buyer", given=a_request),
    Row("demand:change", CHANGE, method="POST", of="buyer", given=a_request),
    Row("clearing:quote", page(stranger=200), method="POST", of="buyer", body=an_unfinished_request),
    Row("agreements:list", LIST | {"counterparty": 200}),
    Row("agreements:agreement", BOTH_SIDES, given=an_agreement),
    Row("delivery:list", LIST | {"counterparty": 200}),
    Row("delivery:delivery", BOTH_SIDES, given=a_delivery),
    Row("billing:usage", MONEY, of="buyer"),
    Row(
        "billing:decide_overage",
        only(302, "operator", refused=404, auditor=403, counterparty=404),
        method="POST",
        given=an_overage,
        body={"quantity": 0, "why": "reported twice"},
    ),
    Row("billing:charge", BOTH_SIDES, of="buyer", given=a_charge),
    Row("billing:disputes", LIST | {"counterparty": 200}, of="buyer"),
    Row("billing:dispute", BOTH_SIDES, of="buyer", given=a_dispute),
    Row(
        "billing:open_dispute",
        SPEAKERS | {"counterparty": 403},
        method="POST",
        of="buyer",
        given=a_charge,
        body={"reason": "six cards"},
    ),
    Row(
        "billing:report_usage",
        SPEAKERS | {"counterparty": 403},
        method="POST",
        of="buyer",
        given=an_earlier_charge,
        body={"quantity": 1, "name": "r1"},
    ),
    Row(
        "billing:answer_dispute",
        SPEAKERS | {"counterparty": 302},
        method="POST",
        of="buyer",
        given=a_dispute,
        body={"text": "no"},
    ),
    Row(
        "billing:decide_dispute",
        only(302, "operator", counterparty=403),
        method="POST",
        of="buyer",
        given=a_dispute,
        body={"reason": "the log says so"},
    ),
    Row("billing:rating_run", BOTH_SIDES, of="buyer", given=a_rating_run),
    Row("billing:rating_run_recomputed", EXCHANGE_ONLY | {"counterparty": 404}, given=a_rating_run),
    Row("billing:reading", BOTH_SIDES, of="buyer", given=a_reading),
    Row("billing:agreement_usage", BOTH_SIDES, of="buyer", given=an_agreement),
    Row("billing:invoices", MONEY, of="buyer"),
    Row("billing:invoice", ONE_SIDE, of="buyer", given=an_invoice),
    Row("billing:invoice_line", ONE_SIDE, of="buyer", given=an_invoice_line),
    Row("billing:invoice_pdf", ONE_SIDE, of="buyer", given=an_invoice),
    Row(
        "billing:credit",
        only(302, "operator", counterparty=404, viewer=404, trader=404),
        method="POST",
        of="buyer",
        given=an_invoice,
        body={"amount": "1.00", "borne_by": "owners", "reason": "slow"},
    ),
    Row("billing:credit_notes", MONEY, of="buyer"),
    Row("billing:credit_note", ONE_SIDE, of="buyer", given=a_credit_note),
    Row("billing:credit_note_pdf", ONE_SIDE, of="buyer", given=a_credit_note),
    Row("billing:drafts", MONEY, of="buyer"),
    Row("billing:focus", MONEY, of="buyer"),
    Row("billing:parked", EXCHANGE_ONLY),
    Row("billing:statement_pdf", ONE_SIDE, given=a_statement),
    Row("billing:statements", MONEY),
    Row("billing:statement", ONE_SIDE, given=a_statement),
    Row("billing:statement_line", ONE_SIDE, given=a_statement_line),
    Row("billing:ledger", MONEY, of="buyer"),
    Row("billing:ledger_checks", EXCHANGE_ONLY),
    Row("billing:account_statement", ONE_SIDE, of="buyer", given=a_ledger),
]
