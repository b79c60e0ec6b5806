"""What of a run can be taken home, and what became of offers in it."""

from __future__ import annotations

import gzip

from marketplace.clearing.models import OfferOutcome
from tests.cast import Cast
from tests.pages_market.scenes import make_explanation, make_run
from tests.permissions.objects import Given, a_run, buyers_request, listed, owners_offer
from tests.permissions.rows.api_clearing import BYTES
from tests.permissions.table import READERS, Row, api_list, api_object, only

SNAPSHOT = (
    b'{"format":2,"horizon_start":"","slots":0,"base_currency":"CNY","currencies":[],"models":[],"sites":[],'
    b'"offers":[],"requests":[],"budgets":[],"choices":[],"owner_caps":[],"carbon_price":0}'
)
RESULT = (
    b'{"format":2,"engine":"","snapshot":"","surplus":0,"objective":0,"bound":{"value":0},"repriced":0,'
    b'"placements":[],"prices":[],"explanations":[],"offers":[]}'
)


def a_run_of_the_buyer(cast: Cast) -> Given:
    run = make_run(snapshot=gzip.compress(SNAPSHOT), result=gzip.compress(RESULT))
    make_explanation(run, buyers_request(cast))
    return {"pk": run.pk}


def an_outcome(cast: Cast) -> Given:
    OfferOutcome.objects.create(run=make_run(), offer=owners_offer(cast), free=8, sold=0)
    return {}


ROWS = [
    Row("api:market-run-package", BYTES, given=a_run),
    # A part is of those who traded. Auditors and operators have the whole.
    Row(
        "api:market-run-part",
        api_object(auditor=404, operator=404),
        of="buyer",
        given=a_run_of_the_buyer,
    ),
    Row("api:offer-outcome-list", api_list(), given=listed(an_outcome), shown_to=READERS),
    # Nothing was cleared yet, so there is nothing to replay; the stranger is an owner as well.
    Row(
        "clearing:replay_asks",
        only(409, "trader", "admin", "stranger", auditor=404, operator=404),
        method="POST",
    ),
]
