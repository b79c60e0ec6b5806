"""What would match a refused request is pressed, and the request is asked again with it."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from marketplace.clearing import quote_book
from marketplace.clearing.models import Explanation
from marketplace.demand.models import Alternative, ComputeRequest
from tests.cast import Cast
from tests.clearing.market import make_reference, run
from tests.conftest import NOW
from tests.factories import make_fleet, make_offer, make_region, make_request, make_site, make_zone
from tests.pages_market.scenes import signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refused(cast: Cast, now: datetime) -> ComputeRequest:
    """It would pay 9 in China. There a card costs 12, and 8 abroad."""
    make_reference()
    make_offer(make_fleet(make_site(cast.owner)), ask="12")
    abroad = make_region("far", make_zone("west"), jurisdiction="SG")
    make_offer(make_fleet(make_site(cast.owner, abroad)), ask="8")
    request = make_request(cast.buyer, limit="9", alternatives=[{"jurisdictions": ["CN"]}])
    run()
    quote_book.prepare(now=NOW)
    return request


def offered(text: str) -> list[tuple[str, dict[str, str]]]:
    """What the page says of each change, and what its button sends."""
    forms = re.findall(r'action="/requests/\d+/change/">(.*?)</form>', text, flags=re.DOTALL)
    found = []
    for form in forms:
        words = re.search(r'<p class="font-medium">(.*?)</p>', form)
        fields = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', form))
        fields.pop("csrfmiddlewaretoken", None)
        assert words
        found.append((words[1], fields))
    return found


def test_each_change_that_is_offered_matches(cast: Cast, refused: ComputeRequest) -> None:
    client = signed_in(cast.buyer_trader)
    shown = client.get(reverse("demand:request", args=[refused.pk])).content.decode()
    found = offered(shown)
    assert [fields for _, fields in found] == [
        {"alternative": "0", "limit": "12"},
        {"alternative": "0", "jurisdictions": ""},
    ]
    assert found[1][0] == "Ask nothing about Jurisdiction: Mainland China."
    explanation = Explanation.objects.get(request=refused)
    why = client.get(reverse("clearing:explanation", args=[explanation.run_id, refused.pk])).content.decode()
    assert offered(why) == found

    client.post(reverse("demand:change", args=[refused.pk]), found[1][1])

    changed = ComputeRequest.objects.exclude(pk=refused.pk).get()
    refused.refresh_from_db()
    assert (refused.state, changed.state, changed.title) == ("withdrawn", "open", refused.title)
    assert Alternative.objects.get(request=changed).jurisdictions == []
    run()
    changed.refresh_from_db()
    assert changed.state == "matched"


def test_what_was_matched_meanwhile_is_not_asked_for_twice(cast: Cast, refused: ComputeRequest) -> None:
    ComputeRequest.objects.filter(pk=refused.pk).update(state="matched")
    address = reverse("demand:change", args=[refused.pk])
    answer = signed_in(cast.buyer_trader).post(address, {"alternative": "0", "limit": "12"})
    assert (answer.status_code, ComputeRequest.objects.count()) == (409, 1)


@pytest.mark.parametrize(
    "change", [{"limit": "x"}, {"limit": "NaN"}, {"organisation": "1"}, {"alternative": "7"}, {"limit": "-1"}]
)
def test_what_is_no_change_is_refused_and_the_request_stays(
    cast: Cast, refused: ComputeRequest, change: dict[str, str]
) -> None:
    answer = signed_in(cast.buyer_trader).post(reverse("demand:change", args=[refused.pk]), change)
    refused.refresh_from_db()
    assert (answer.status_code, refused.state) == (422, "open")


def test_a_matched_request_says_why_this_one(cast: Cast, now: datetime) -> None:
    make_reference()
    make_offer(make_fleet(make_site(cast.owner)), ask="10")
    abroad = make_region("far", make_zone("west"), jurisdiction="SG")
    make_offer(make_fleet(make_site(cast.owner, abroad)), ask="11")
    request = make_request(cast.buyer, limit="12", hours=4)
    done = run()
    quote_book.prepare(now=NOW)
    page = signed_in(cast.buyer_viewer).get(reverse("clearing:explanation", args=[done.pk, request.pk]))
    why = page.context["why"]
    assert (why.price, why.total, why.saved) == (10, 320, Decimal(64))
    assert (why.alternative, why.alternatives, why.offers_left) == (1, 1, 2)
    assert [each["zone_slug"] for each in page.context["runners_up"]] == ["west"]
    assert page.context["changes"] == []
