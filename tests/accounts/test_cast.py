"""The cast and the factories themselves, so that a mistake in them is found here."""

from accounts.actors import Capability
from marketplace.demand.models import ComputeRequest
from tests.cast import Cast
from tests.factories import make_fleet, make_offer, make_request, make_site


def test_a_whole_market_can_be_made(cast: Cast) -> None:
    fleet = make_fleet(make_site(cast.owner), cards=64)
    offer = make_offer(fleet, cards=64, ask="9.5", hours=48)
    request = make_request(cast.buyer, cards=16, alternatives=[{}, {"unit": "np", "amount": 20}])

    assert offer.fleet.site.owner == cast.owner
    assert ComputeRequest.objects.get(pk=request.pk).alternatives.count() == 2


def test_roles_of_the_cast(cast: Cast) -> None:
    assert cast.viewer_of(cast.owner_trader).may(Capability.TRADE, cast.owner.pk)
    assert not cast.viewer_of(cast.owner_trader).may(Capability.TRADE, cast.buyer.pk)
    assert not cast.viewer_of(cast.stranger).may(Capability.READ, cast.owner.pk)
    assert cast.viewer_of(cast.auditor).may(Capability.READ, cast.owner.pk)
