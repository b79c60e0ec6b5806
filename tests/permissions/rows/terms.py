"""Pages of term agreements: both sides read them, their traders propose, accept, decline and amend."""

from __future__ import annotations

from tests.permissions.rows.api_terms import a_proposal, a_term
from tests.permissions.table import Row, only, page

TRADERS = only(200, "trader", "admin", stranger=404, counterparty=200)
DECIDE = only(302, "trader", "admin", anonymous=302)

ROWS = [
    Row("agreements:terms", page(stranger=200)),
    Row(
        "agreements:propose_term",
        only(200, "trader", "admin", stranger=200, auditor=404, operator=404),
        of="buyer",
    ),
    Row(
        "agreements:propose_term",
        only(422, "trader", "admin", stranger=422, auditor=404, operator=404),
        method="POST",
        of="buyer",
    ),
    Row("agreements:term", page(counterparty=200), given=a_term),
    Row("agreements:term", page(counterparty=200), of="buyer", given=a_term),
    Row("agreements:amend_term", TRADERS, given=a_term),
    Row("agreements:amend_term", only(422, "trader", "admin", counterparty=422), method="POST", given=a_term),
    Row(
        "agreements:accept_term",
        # The counterparty is the buyer, who proposed it.
        DECIDE | {"counterparty": 403},
        method="POST",
        given=a_proposal,
    ),
    Row("agreements:refuse_term", DECIDE | {"counterparty": 302}, method="POST", given=a_proposal),
    Row("billing:term_months", page(counterparty=200), given=a_term),
    Row("billing:term_months", page(counterparty=200), of="buyer", given=a_term),
]
