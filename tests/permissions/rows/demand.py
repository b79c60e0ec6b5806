"""Budgets, choices and owner caps: a buyer's business, on pages and over the API."""

from __future__ import annotations

from tests.cast import Cast
from tests.demand import groups
from tests.permissions.objects import listed
from tests.permissions.table import READERS, Row, api_change, api_list, api_object, only, page


def a_budget(cast: Cast) -> dict[str, object]:
    return {"pk": groups.make_budget(cast.buyer).pk}


def a_choice(cast: Cast) -> dict[str, object]:
    return {"pk": groups.make_choice(cast.buyer).pk}


def a_cap(cast: Cast) -> dict[str, object]:
    return {"organisation": groups.make_cap(cast.buyer, 500).pk}


def a_new_budget(cast: Cast) -> dict[str, object]:
    return {"organisation": cast.buyer.pk, "name": "Spring", "currency": "CNY", "amount": "1000"}


def a_new_choice(cast: Cast) -> dict[str, object]:
    return {"organisation": cast.buyer.pk, "name": "Either", "most": 1}


BUDGET = {"name": "Spring", "currency": "CNY", "amount": "1000"}
CHOICE = {"name": "Either", "most": "1"}
CAP = {"card_hours": "500"}
# The stranger administers an owner first, which makes no requests; the exchange's people work for nobody.
MADE = only(302, "trader", "admin", stranger=403, auditor=404, operator=404, counterparty=403)
CAPPED = only(302, "admin", stranger=422, auditor=404, operator=404, counterparty=422)
CLOSED = only(302, "trader", "admin", counterparty=404)
CREATED = api_change(201, stranger=422, counterparty=422, token_agent=422, token_stranger=422)
CHANGED = api_change(200)
# A cap is a setting of the organisation, which no token administers.
SET = CHANGED | {"trader": 403, "token_trade": 403}
LIFTED = SET | {"admin": 204}

ROWS = [
    Row("demand:groups", page(stranger=200, counterparty=200), of="buyer"),
    Row("demand:new_budget", MADE, method="POST", of="buyer", body=BUDGET),
    Row("demand:new_choice", MADE, method="POST", of="buyer", body=CHOICE),
    Row("demand:close_budget", CLOSED, method="POST", of="buyer", given=a_budget),
    Row("demand:close_choice", CLOSED, method="POST", of="buyer", given=a_choice),
    Row("demand:owner_cap", CAPPED, method="POST", of="buyer", body=CAP),
    Row("api:budget-list", api_list(), of="buyer", given=listed(a_budget), shown_to=READERS),
    Row("api:budget-list", CREATED, method="POST", of="buyer", body=a_new_budget),
    Row("api:budget-detail", api_object(), of="buyer", given=a_budget),
    Row("api:budget-close", CHANGED, method="POST", of="buyer", given=a_budget),
    Row("api:choice-list", api_list(), of="buyer", given=listed(a_choice), shown_to=READERS),
    Row("api:choice-list", CREATED, method="POST", of="buyer", body=a_new_choice),
    Row("api:choice-detail", api_object(), of="buyer", given=a_choice),
    Row("api:choice-close", CHANGED, method="POST", of="buyer", given=a_choice),
    Row("api:owner-cap-list", api_list(), of="buyer", given=listed(a_cap), shown_to=READERS),
    Row("api:owner-cap-detail", api_object(), of="buyer", given=a_cap),
    Row("api:owner-cap-detail", SET, method="PUT", of="buyer", given=a_cap, body={"card_hours": 900}),
    Row("api:owner-cap-detail", LIFTED, method="DELETE", of="buyer", given=a_cap),
]
