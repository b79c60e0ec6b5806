"""Term agreements of the cast: proposed by the buyer, and concluded where the owner has accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from marketplace.agreements.models import Agreement
from marketplace.agreements.term_services import TermInput, accept_terms, propose_agreement
from marketplace.terms.models import TermAgreement
from marketplace.terms.sheet import MICRO, Sheet, Tier, Unit
from tests.cast import Cast
from tests.conftest import NOW
from tests.factories import make_model, make_profile_version

# In Shanghai, where the cast is at home.
APRIL = datetime(2026, 3, 31, 16, tzinfo=UTC)
SHEET = Sheet(
    unit=Unit.CARD_HOUR,
    quantity=100 * MICRO,
    price=10 * MICRO,
    take_or_pay=800_000,
    tiers=(Tier(1_100_000, 12 * MICRO),),
    make_up_months=2,
    carry_forward_months=1,
)


def proposal(counterparty: int, **changes: Any) -> TermInput:
    usual = {
        "model": make_model(),
        "workload": "",
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "starts_at": APRIL,
        "months": 3,
        "sheet": SHEET,
    }
    return TermInput(counterparty=counterparty, **(usual | changes))


def proposed(cast: Cast, *, now: datetime = NOW, **changes: Any) -> TermAgreement:
    """By the buyer."""
    return propose_agreement(
        viewer=cast.viewer_of(cast.buyer_trader),
        organisation=cast.buyer,
        term=proposal(cast.owner.pk, **changes),
        now=now,
    )


def concluded(cast: Cast, *, now: datetime = NOW, **changes: Any) -> TermAgreement:
    make_profile_version()
    term = proposed(cast, now=now, **changes)
    accept_terms(viewer=cast.viewer_of(cast.owner_trader), agreement=term, number=1, now=now)
    term.refresh_from_db()
    return term


def agreement_of(term: TermAgreement) -> Agreement:
    return Agreement.objects.get(term=term, kind=Agreement.Kind.TERM)
