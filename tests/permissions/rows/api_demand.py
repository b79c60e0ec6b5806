"""Requests over the API: a buyer's business, of which owners see nothing."""

from __future__ import annotations

from marketplace.clearing import quote_book
from tests.cast import Cast
from tests.clearing.market import make_reference
from tests.conftest import NOW
from tests.factories import HOUR, START
from tests.permissions.objects import a_request, catalogue, listed
from tests.permissions.table import READERS, Row, api_change, api_list, api_object

# The organisation that the body names does not exist for a stranger: as for a number that nobody has.
CREATED = api_change(201, stranger=422, counterparty=422, token_agent=422, token_stranger=422)


def a_new_request(cast: Cast) -> dict[str, object]:
    alternative = {
        "unit": "cards",
        "amount": "8",
        "limit": "12",
        "workload": "training",
        "accelerator_models": ["h800"],
        "earliest_start": START,
        "hours": 4,
        "deadline": START + 24 * HOUR,
    }
    return {
        "organisation": cast.buyer.pk,
        "title": "A run",
        "currency": "CNY",
        "alternatives": [alternative],
    }


def the_quotes(cast: Cast) -> dict[str, object]:
    """A market that has been read, so that it can be quoted."""
    catalogue(cast)
    make_reference()
    quote_book.prepare(now=NOW)
    return {}


def wanted(cast: Cast) -> dict[str, object]:
    whole = a_new_request(cast)
    return {name: whole[name] for name in ("currency", "alternatives")}


ROWS = [
    # A quote says what the market asks, and that is for everybody who may trade or look on.
    Row("api:quote-list", api_list(), method="POST", of="buyer", given=the_quotes, body=wanted),
    Row("api:request-list", api_list(), of="buyer", given=listed(a_request), shown_to=READERS),
    Row("api:request-list", CREATED, method="POST", of="buyer", given=catalogue, body=a_new_request),
    Row("api:request-detail", api_object(), of="buyer", given=a_request),
    Row("api:request-withdraw", api_change(200), method="POST", of="buyer", given=a_request),
]
