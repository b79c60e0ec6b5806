"""Term agreements over the API: both sides propose, accept, decline and amend."""

from __future__ import annotations

from typing import Any

from tests.cast import Cast
from tests.factories import make_model, make_profile_version
from tests.permissions.objects import listed
from tests.permissions.table import PARTIES, Row, api_list, api_object, only
from tests.terms.scenes import APRIL, concluded, proposed

SHEET = {"quantity_a_month": "100", "price_per_unit": "10", "take_or_pay_share": "0.8"}
EITHER_SIDE = {"token_read": 403, "token_trade": 200, "token_agent": 404, "token_stranger": 404}


def a_term(cast: Cast) -> dict[str, object]:
    return {"pk": concluded(cast).pk}


def a_proposal(cast: Cast) -> dict[str, object]:
    make_profile_version()
    return {"pk": proposed(cast).pk, "number": 1}


def to_the_owner(cast: Cast) -> dict[str, Any]:
    return SHEET | {
        "organisation": cast.buyer.pk,
        "counterparty": cast.owner.pk,
        "model": make_model().slug,
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "starts_at": APRIL.isoformat(),
        "months": 3,
    }


def traders(status: int, **others: int) -> Any:
    return only(status, "trader", "admin", anonymous=401, **others)


ROWS = [
    Row("api:term-list", api_list(), given=listed(a_term), shown_to=PARTIES),
    Row("api:term-list", api_list(), of="buyer", given=listed(a_term), shown_to=PARTIES),
    Row(
        "api:term-list",
        traders(201, stranger=422),
        method="POST",
        of="buyer",
        body=to_the_owner,
    ),
    Row("api:term-detail", api_object(counterparty=200), given=a_term),
    Row("api:term-detail", api_object(counterparty=200), of="buyer", given=a_term),
    Row("api:term-months", api_object(counterparty=200), given=a_term),
    Row("api:term-months", api_object(counterparty=200), of="buyer", given=a_term),
    Row(
        "api:term-amendments",
        traders(201, counterparty=201, **EITHER_SIDE | {"token_trade": 201}),
        method="POST",
        given=a_term,
        body=SHEET | {"from_month": 1},
    ),
    Row(
        "api:term-acceptance",
        # The counterparty is the buyer, who proposed it.
        traders(200, counterparty=403, **EITHER_SIDE),
        method="POST",
        given=a_proposal,
    ),
    Row("api:term-refusal", traders(200, counterparty=200, **EITHER_SIDE), method="POST", given=a_proposal),
]
