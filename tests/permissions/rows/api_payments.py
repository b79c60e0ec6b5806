"""Payments, methods and payouts over the API: read by the finance people of the one party they are of."""

from __future__ import annotations

from tests.permissions.objects import listed
from tests.permissions.rows.payments import a_method, a_payment, a_payout
from tests.permissions.table import FINANCE, Row, api_list, api_object

MONEY = api_object(viewer=403, trader=403, token_trade=403)

ROWS = [
    Row("api:payment-list", api_list(), of="buyer", given=listed(a_payment), shown_to=FINANCE),
    Row("api:payment-detail", MONEY, of="buyer", given=a_payment),
    Row("api:payment-method-list", api_list(), of="buyer", given=listed(a_method), shown_to=FINANCE),
    Row("api:payout-list", api_list(), given=listed(a_payout), shown_to=FINANCE),
]
