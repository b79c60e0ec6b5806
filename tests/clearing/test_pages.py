"""What runs say on pages: the gap, who was refused, the price that was lost against, the lower ask."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.clearing.models import MarketRun, OfferOutcome
from marketplace.supply.models import Offer
from tests.cast import Cast
from tests.factories import HOUR, START, make_fleet, make_offer, make_request, make_site
from tests.pages_market.scenes import make_explanation, make_price, make_run, queries_of, signed_in

pytestmark = pytest.mark.django_db


def text_of(address: str, user: Any = None) -> str:
    page = signed_in(user).get(address).content.decode()
    return page.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def make_outcome(run: MarketRun, offer: Offer, **facts: Any) -> OfferOutcome:
    return OfferOutcome.objects.create(**{"run": run, "offer": offer, "free": 192, "sold": 32} | facts)


def owners_offer(cast: Cast) -> Offer:
    return make_offer(make_fleet(make_site(cast.owner)))


def test_the_board_and_the_list_of_runs_say_how_near_to_the_best_each_run_came(now: datetime) -> None:
    make_run(objective=Decimal(1), bound=Decimal(3))

    assert "The last run reached at least <strong>33.3 %</strong> of the best possible." in text_of(
        "/market/"
    )
    assert "at least 33.3 %" in text_of("/market/runs/")


def test_a_share_that_is_nearly_all_is_not_shown_as_all(now: datetime) -> None:
    make_run(objective=Decimal("9999.999999"), bound=Decimal(10_000))

    assert "at least 99.9 %" in text_of("/market/runs/")


def test_a_run_that_failed_has_no_share(now: datetime) -> None:
    make_run(state="failed", objective=None, bound=None)

    assert "at least" not in text_of("/market/runs/")


def test_the_gaps_of_the_last_runs_are_drawn_oldest_first(client: Client, now: datetime) -> None:
    runs = [make_run(objective=Decimal(100 - gap), bound=Decimal(100)) for gap in (4, 1, 2)]
    make_run(state="failed")

    chart = client.get("/market/runs/").context["chart"]

    assert (chart["first"], chart["last"]) == (runs[0], runs[-1])
    assert chart["line"] == "M0 0H333.333V750H666.667V500H1000"


def test_without_a_committed_run_there_is_no_chart(client: Client, now: datetime) -> None:
    make_run(state="failed")

    assert client.get("/market/runs/").context["chart"] is None


def test_the_report_shows_gap_refusals_prices_and_replay(now: datetime) -> None:
    run = make_run(refused_in_money=3, foregone=Decimal("70.25"), repriced=2)
    make_price(run, "10")
    make_price(run, "14", slot=START + HOUR)

    text = text_of(f"/market/runs/{run.pk}/")

    assert "at least <strong>99.3 %</strong> of the best possible" in text
    assert "proven bound ¥1,242.00" in text
    assert "3 of them in the money" in text
    assert "¥70.25" in text
    assert "Price of each hour that was sold" in text
    assert "120 ms · 1,800 ms · 310 ms" in text


def test_an_owner_sees_what_became_of_its_own_offers_in_a_run(cast: Cast, now: datetime) -> None:
    run = make_run()
    mine = make_outcome(run, owners_offer(cast), ask=Decimal("8.5"), card_hours=96)
    other = make_outcome(run, make_offer(make_fleet(make_site(cast.other_owner))))

    def seen(user: Any) -> list[int]:
        page = signed_in(user).get(f"/market/runs/{run.pk}/")
        return [outcome.pk for outcome in page.context["offers"]]

    assert seen(cast.owner_viewer) == [mine.pk]
    assert seen(cast.stranger) == [other.pk]
    assert seen(cast.buyer_admin) == seen(None) == []
    assert seen(cast.operator) == [mine.pk, other.pk]
    assert "At ¥8.50/card-h, 96 card-h more would have sold in run" in text_of(
        f"/market/runs/{run.pk}/", cast.owner_viewer
    )


def test_the_page_of_an_offer_says_what_would_have_sold_more_in_its_last_run(
    cast: Cast, now: datetime
) -> None:
    offer = owners_offer(cast)
    make_outcome(make_run(), offer, ask=Decimal(1), card_hours=1)
    last = make_run()
    make_outcome(last, offer, ask=Decimal("8.5"), card_hours=96)

    text = text_of(reverse("supply:offer", args=[offer.pk]), cast.owner_viewer)

    assert f"At ¥8.50/card-h, 96 card-h more would have sold in run {last}." in text
    assert "At ¥1.00/card-h" not in text


def test_the_page_of_an_offer_that_no_run_has_seen_says_nothing_of_runs(cast: Cast, now: datetime) -> None:
    text = text_of(reverse("supply:offer", args=[owners_offer(cast).pk]), cast.owner_viewer)

    assert "in run M" not in text


def test_the_page_of_a_request_says_which_price_it_lost_against_in_the_last_run(
    cast: Cast, now: datetime
) -> None:
    request = make_request(cast.buyer)
    address = reverse("demand:request", args=[request.pk])
    make_explanation(make_run(), request, binding="capacity", price="9", foregone="5")

    in_money = text_of(address, cast.buyer_viewer)
    make_explanation(make_run(), request, price="12.5")
    lost = text_of(address, cast.buyer_viewer)

    assert "It was in the money: it could have paid the price of ¥9.00/card-h with ¥5.00 to spare" in in_money
    assert "The price it lost against is ¥12.50/card-h." in lost
    assert "What decided: free cards · in the money and yet refused" in lost


def test_more_runs_of_a_request_take_no_more_queries(cast: Cast, now: datetime) -> None:
    request = make_request(cast.buyer, alternatives=[{}, {}])
    client, address = signed_in(cast.buyer_viewer), reverse("demand:request", args=[request.pk])
    make_explanation(make_run(), request, price="12.5")
    few = queries_of(client, address)
    for _ in range(4):
        make_explanation(make_run(), request, price="12.5")

    assert queries_of(client, address) == few


def test_the_explanation_says_it_too(cast: Cast, now: datetime) -> None:
    told = make_explanation(make_run(), make_request(cast.buyer), price="12.5")
    address = reverse("clearing:explanation", args=[told.run_id, told.request_id])

    assert "The price it lost against is ¥12.50/card-h." in text_of(address, cast.buyer_viewer)


def test_the_api_says_it_in_figures_and_in_words(cast: Cast, now: datetime) -> None:
    make_explanation(make_run(), make_request(cast.buyer), price="12.5")
    make_outcome(make_run(), owners_offer(cast), ask=Decimal("8.5"), card_hours=96)

    [told] = signed_in(cast.buyer_viewer).get(reverse("api:explanation-list")).json()["results"]
    [outcome] = signed_in(cast.owner_viewer).get(reverse("api:offer-outcome-list")).json()["results"]

    assert (told["price"], told["foregone"]) == ("12.500000", "0.000000")
    assert told["lost_against"] == "The price it lost against is ¥12.50/card-h."
    assert (outcome["ask"], outcome["card_hours"], outcome["currency"]) == ("8.500000", 96, "CNY")
    assert "would have sold in run" in outcome["in_words"]


def test_the_api_gives_the_outcomes_of_one_offer(cast: Cast, now: datetime) -> None:
    run, offers = make_run(), [owners_offer(cast) for _ in range(2)]
    for offer in offers:
        make_outcome(run, offer)

    answer = signed_in(cast.owner_viewer).get(f"{reverse('api:offer-outcome-list')}?offer={offers[1].pk}")

    assert [row["offer"] for row in answer.json()["results"]] == [offers[1].pk]


def test_the_api_gives_the_share_of_the_best_of_each_run(client: Client, now: datetime) -> None:
    make_run()

    [run] = client.get(reverse("api:market-run-list")).json()["results"]

    assert (run["objective"], run["bound"], run["share_of_best"]) == ("1234.500000", "1242.000000", "0.993")
    assert (run["refused_in_money"], run["clear_ms"]) == (0, 1800)


def test_more_explanations_and_outcomes_take_no_more_queries_of_the_api(cast: Cast, now: datetime) -> None:
    pages = [
        (signed_in(cast.buyer_viewer), reverse("api:explanation-list")),
        (signed_in(cast.owner_viewer), reverse("api:offer-outcome-list")),
    ]

    def one_more() -> None:
        run = make_run()
        make_explanation(run, make_request(cast.buyer), price="12.5")
        make_outcome(run, owners_offer(cast))

    one_more()
    few = [queries_of(client, address) for client, address in pages]
    for _ in range(4):
        one_more()

    assert [queries_of(client, address) for client, address in pages] == few
