from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from tests.cast import Cast
from tests.factories import make_request
from tests.pages_market.scenes import (
    make_explanation,
    make_price,
    make_products,
    make_run,
    queries_of,
    signed_in,
)

pytestmark = pytest.mark.django_db


def test_the_report_opens_with_what_the_run_did(client: Client, now: datetime) -> None:
    run = make_run()

    text = client.get(f"/market/runs/{run.pk}/").content.decode()

    assert "<strong>3 of 4</strong> requests matched, 250\N{NO-BREAK SPACE}card-h sold" in text
    assert "surplus ¥1,234.50: at least <strong>99.3\N{NARROW NO-BREAK SPACE}%</strong> of the best" in text
    assert run.result_digest in text
    assert f"replay {run.pk}" in text


def test_why_requests_were_not_matched_is_counted_for_everybody(
    client: Client, cast: Cast, now: datetime
) -> None:
    run = make_run()
    for binding in ("limit", "limit", "memory"):
        make_explanation(run, make_request(cast.buyer), binding=binding)
    make_explanation(run, make_request(cast.buyer), outcome="matched")

    page = client.get(f"/market/runs/{run.pk}/")

    counts = [(str(row["constraint"]), row["requests"]) for row in page.context["unmatched"]]
    assert counts == [("limit price", 2), ("memory per card", 1)]
    assert "Morning Light AI" not in page.content.decode()


def test_each_reader_sees_the_explanations_of_its_own_requests(cast: Cast, now: datetime) -> None:
    run = make_run()
    mine, other = make_request(cast.buyer), make_request(cast.other_buyer)
    make_explanation(run, mine)
    make_explanation(run, other)

    def seen(user: object) -> list[int]:
        page = signed_in(user).get(f"/market/runs/{run.pk}/")  # type: ignore[arg-type]
        return [explanation.request_id for explanation in page.context["explanations"]]

    assert seen(cast.buyer_viewer) == [mine.pk]
    assert seen(cast.stranger) == [other.pk]
    assert seen(cast.owner_admin) == seen(None) == []
    assert seen(cast.auditor) == [mine.pk, other.pk]


def test_only_auditors_and_operators_are_offered_the_snapshot(cast: Cast, now: datetime) -> None:
    run = make_run()

    offered = {
        name: f"/market-runs/{run.pk}/snapshot"
        in signed_in(getattr(cast, name)).get(f"/market/runs/{run.pk}/").content.decode()
        for name in ("auditor", "operator", "owner_admin", "buyer_admin", "stranger")
    }

    assert [name for name, is_offered in offered.items() if is_offered] == ["auditor", "operator"]


def test_the_prices_of_a_run_can_be_had_with_every_digit(client: Client, now: datetime) -> None:
    run = make_run()
    make_price(run, "10.123456")

    answer = client.get(f"/market/runs/{run.pk}/prices.csv")

    lines = b"".join(answer).decode("utf-8-sig").splitlines()  # type: ignore[arg-type]
    assert lines[1] == f"{run.pk},h800,cn-east,2026-03-02T09:00:00Z,CNY,10.123456,8"


def test_a_failed_run_says_why(client: Client, now: datetime) -> None:
    run = make_run(state="failed", failure="stale after 5 snapshots")

    text = client.get(f"/market/runs/{run.pk}/").content.decode()

    assert "stale after 5 snapshots" in text
    assert "changed nothing" in text


def test_there_is_no_report_of_a_run_that_never_was(client: Client, now: datetime) -> None:
    assert client.get("/market/runs/987654/").status_code == 404


def test_runs_are_listed_newest_first(client: Client, now: datetime) -> None:
    runs = [make_run() for _ in range(3)]

    listed = list(client.get("/market/runs/").context["table"].page)

    assert listed == [run.pk for run in reversed(runs)]


def test_without_runs_the_list_says_what_will_be_here(client: Client, now: datetime) -> None:
    assert "No market run yet" in client.get("/market/runs/").content.decode()


def test_more_runs_and_more_products_take_no_more_queries(client: Client, cast: Cast, now: datetime) -> None:
    run = make_run()
    make_products(run, 2)
    make_explanation(run, make_request(cast.buyer))
    client.force_login(cast.buyer_viewer)
    pages = [f"/market/runs/{run.pk}/", "/market/runs/"]
    few = [queries_of(client, page) for page in pages]
    for _ in range(8):
        make_run()
        make_explanation(run, make_request(cast.buyer))
    make_products(make_run(), 4)

    assert [queries_of(client, page) for page in pages] == few
    assert max(few) <= 11
