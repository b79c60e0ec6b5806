"""Charges over the API: for both parties. What is parked is for the exchange."""

from __future__ import annotations

from tests.cast import Cast
from tests.permissions.objects import (
    Given,
    a_charge,
    a_dispute,
    a_parked_slot,
    a_usage_report,
    an_earlier_charge,
    listed,
)
from tests.permissions.table import EXCHANGE, PARTIES, Row, api_change, api_list, api_object, only

# Also whoever looks after the buyer's money. An agreement of others does not exist for a stranger.
SPEAKS = {"finance": 201, "counterparty": 403}
ENTERED = api_change(201, stranger=422, token_agent=422, token_stranger=422) | SPEAKS
SAID = api_change(201) | SPEAKS


def a_new_dispute(cast: Cast) -> Given:
    return {"agreement": cast.buyer.purchases.latest("pk").pk, "reason": "six cards"}


def a_new_report(cast: Cast) -> Given:
    agreement = cast.buyer.purchases.latest("pk")
    return {"agreement": agreement.pk, "slot": agreement.starts_at, "quantity": 1, "name": "r2"}


ROWS = [
    Row("api:dispute-list", api_list(), of="buyer", given=listed(a_dispute), shown_to=PARTIES),
    Row(
        "api:dispute-list",
        ENTERED,
        method="POST",
        of="buyer",
        given=listed(a_charge),
        body=a_new_dispute,
    ),
    Row("api:dispute-detail", api_object(counterparty=200), of="buyer", given=a_dispute),
    Row(
        "api:dispute-answer",
        SAID | {"counterparty": 201},
        method="POST",
        of="buyer",
        given=a_dispute,
        body={"text": "no"},
    ),
    Row(
        "api:dispute-decision",
        only(200, "operator", anonymous=401, counterparty=403, token_trade=403, token_agent=404),
        method="POST",
        of="buyer",
        given=a_dispute,
        body={"reason": "the log says so"},
    ),
    Row("api:usage-report-list", api_list(), of="buyer", given=a_usage_report, shown_to=PARTIES),
    Row(
        "api:usage-report-list",
        ENTERED,
        method="POST",
        of="buyer",
        given=listed(an_earlier_charge),
        body=a_new_report,
    ),
    Row("api:charge-list", api_list(), given=listed(a_charge), shown_to=PARTIES),
    Row("api:charge-list", api_list(), of="buyer", given=listed(a_charge), shown_to=PARTIES),
    Row("api:charge-detail", api_object(counterparty=200), given=a_charge),
    Row("api:charge-detail", api_object(counterparty=200), of="buyer", given=a_charge),
    Row("api:charge-readings", api_object(counterparty=200), given=a_charge, shown_to=PARTIES),
    Row("api:charge-readings", api_object(counterparty=200), of="buyer", given=a_charge, shown_to=PARTIES),
    Row("api:parked-usage-list", api_list(), given=a_parked_slot, shown_to=EXCHANGE),
]
