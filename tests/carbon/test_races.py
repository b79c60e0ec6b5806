"""The same Wh claimed twice at the same moment: the database lets one through."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import DatabaseError, transaction

from billing.metering.models import Meter
from marketplace.audit.carbon import services
from marketplace.audit.carbon.models import CertificateUse
from tests.billing.builders import LONG_AFTER, make_delivery
from tests.carbon.scenes import certificate, count, delivered
from tests.cast import Cast
from tests.factories import make_fleet, make_site
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_certificate_is_used_once_whatever_the_code_does(cast: Cast) -> None:
    """Straight into the table, as code that forgot to look would."""
    delivery = delivered(cast)
    viewer = cast.viewer_of(cast.owner_trader)
    (held,) = services.register(
        viewer=viewer, site=delivery.site, certificates=[certificate(wh=1_000)], now=LONG_AFTER
    )

    def use() -> CertificateUse:
        with transaction.atomic():
            return CertificateUse.objects.create(
                certificate=held, agreement_id=delivery.agreement_id, wh=600, matched_at=LONG_AFTER
            )

    results = at_once(use, use, use)

    refused = [each for each in results if isinstance(each, DatabaseError)]
    assert len(refused) == 2, results
    assert all("600 more would be" in str(each) for each in refused)
    assert CertificateUse.objects.count() == 1


def test_two_who_match_at_once_use_each_wh_once(cast: Cast) -> None:
    delivery = delivered(cast)
    count(delivery, 0, Meter.ENERGY, 5_000)
    viewer = cast.viewer_of(cast.owner_trader)
    services.register(viewer=viewer, site=delivery.site, certificates=[certificate(wh=4_000)], now=LONG_AFTER)

    def match() -> Sequence[CertificateUse]:
        return services.match(viewer=viewer, site=delivery.site, now=LONG_AFTER)

    results = at_once(match, match, match)
    assert sorted(map(len, results)) == [0, 0, 1]
    assert sum(each.wh for each in CertificateUse.objects.all()) == 4_000


def test_no_certificate_is_used_at_another_site(cast: Cast) -> None:
    here = delivered(cast)
    (held,) = services.register(
        viewer=cast.viewer_of(cast.owner_trader), site=here.site, certificates=[certificate()], now=LONG_AFTER
    )
    there = make_delivery(
        owner=cast.owner, buyer=cast.buyer, fleet=make_fleet(make_site(cast.owner, name_en="Elsewhere"))
    )
    with pytest.raises(DatabaseError, match="of another site"), transaction.atomic():
        CertificateUse.objects.create(
            certificate=held, agreement_id=there.agreement_id, wh=1, matched_at=LONG_AFTER
        )
