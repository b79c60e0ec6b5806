"""Both sides of a term agreement at the same moment: one of them is first, and the other is told."""

from __future__ import annotations

import pytest

from marketplace.agreements.models import Agreement
from marketplace.agreements.term_services import (
    AlreadyProposed,
    NotProposed,
    accept_terms,
    propose_amendment,
    refuse_terms,
)
from marketplace.terms.models import TermAgreement
from tests.cast import Cast
from tests.conftest import NOW
from tests.factories import make_profile_version
from tests.terms.scenes import SHEET, concluded, proposed
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_is_accepted_or_withdrawn(cast: Cast) -> None:
    make_profile_version()
    term = proposed(cast)
    owner, buyer = cast.viewer_of(cast.owner_trader), cast.viewer_of(cast.buyer_trader)
    results = at_once(
        lambda: accept_terms(viewer=owner, agreement=term, number=1, now=NOW),
        lambda: refuse_terms(viewer=buyer, agreement=term, number=1, now=NOW),
        lambda: accept_terms(viewer=owner, agreement=term, number=1, now=NOW),
    )
    assert sum(isinstance(each, NotProposed) for each in results) == 2, results
    term.refresh_from_db()
    assert Agreement.objects.count() == (term.state == TermAgreement.State.CONCLUDED)


def test_one_amendment_is_proposed(cast: Cast) -> None:
    term = concluded(cast)
    viewers = [cast.viewer_of(user) for user in (cast.owner_trader, cast.buyer_trader) * 3]
    results = at_once(
        *(
            lambda viewer=viewer: propose_amendment(
                viewer=viewer, agreement=term, sheet=SHEET, from_month=1, now=NOW
            )
            for viewer in viewers
        )
    )
    assert sum(isinstance(each, AlreadyProposed) for each in results) == len(viewers) - 1, results
    assert term.versions.count() == 2
