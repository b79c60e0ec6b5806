"""Policies and dossiers: for owners of their own sites, for the exchange of all. Only operators enact."""

from __future__ import annotations

from tests.cast import Cast
from tests.compliance.scenes import make_policy
from tests.permissions.objects import Given, a_site, listed
from tests.permissions.table import Row, api, api_object, only, page


def a_policy(cast: Cast) -> Given:
    return {"slug": make_policy().slug}


ENACTED = {
    "threshold": "0.45",
    "warning": "0.05",
    "window_days": 10,
    "cure_days": 7,
    "least_cards": 0,
    "valid_from": "2027-01-01T00:00",
    "source": "Decree 7",
}

ROWS = [
    Row("compliance:policies", page(stranger=200, counterparty=404)),
    # Rules are public among those who have sites: a stranger sees them with its own sites.
    Row("compliance:policy", page(stranger=200, counterparty=404), given=a_policy, public=True),
    Row(
        "compliance:enact",
        only(302, "operator", stranger=403, counterparty=404),
        method="POST",
        given=a_policy,
        body=ENACTED,
        public=True,
    ),
    Row("compliance:dossier", page(counterparty=404), given=a_site),
    Row("compliance:dossier_pdf", page(counterparty=404), given=a_site),
    Row("api:policies", api(stranger=200, token_read=200), given=listed(a_policy)),
    Row("api:dossier", api_object(), given=a_site),
    Row("access:looks", page(stranger=200)),
]
