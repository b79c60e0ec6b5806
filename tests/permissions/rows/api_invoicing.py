"""Invoices and statements over the API: for the finance people of the one party they are for."""

from __future__ import annotations

from tests.permissions.objects import (
    a_credit_note,
    a_statement,
    a_statement_line,
    an_invoice,
    an_invoice_line,
    listed,
)
from tests.permissions.table import FINANCE, Row, api_list, api_object

MONEY = api_object(viewer=403, trader=403, token_trade=403)

# A credit note that the owners bear is one on the invoice and one on each statement.
BOTH = FINANCE | {"counterparty"}

ROWS = [
    Row("api:billing-period-list", api_list()),
    Row("api:invoice-list", api_list(), of="buyer", given=listed(an_invoice), shown_to=FINANCE),
    Row("api:invoice-detail", MONEY, of="buyer", given=an_invoice),
    Row("api:invoice-line-charges", MONEY, of="buyer", given=an_invoice_line, shown_to=FINANCE),
    Row("api:credit-note-list", api_list(), of="buyer", given=listed(a_credit_note), shown_to=BOTH),
    Row("api:credit-note-detail", MONEY, of="buyer", given=a_credit_note),
    Row("api:document-pdf", MONEY, of="buyer", given=an_invoice),
    Row("api:focus-export", api_list(), of="buyer", given=listed(an_invoice)),
    Row("api:statement-list", api_list(), given=listed(a_statement), shown_to=FINANCE),
    Row("api:statement-detail", MONEY, given=a_statement),
    Row("api:statement-line-charges", MONEY, given=a_statement_line, shown_to=FINANCE),
]
