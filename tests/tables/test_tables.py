"""Lists are sorted, paged, added up and downloaded as their readers want to see them."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.web.models import ColumnChoice
from marketplace.web.tables import table as tables
from tests.cast import Cast
from tests.factories import make_request
from tests.pages_trade.scenes import HOUR, START, events, make_delivery, page, rows_of_csv, signed_in

pytestmark = pytest.mark.django_db
AGREEMENTS = "/agreements/"


def headings(shown: str) -> list[str]:
    head = shown.split("<thead>")[1].split("</thead>", maxsplit=1)[0]
    return [part.split("</")[0].split(" <")[0].split(">")[-1].strip(" ↑↓") for part in head.split("<th ")[1:]]


def choose(client: Client, *keys: str, table: str = "agreements", back: str = AGREEMENTS) -> None:
    answer = client.post(reverse("web:columns", args=[table]), {"column": keys, "next": back})
    assert (answer.status_code, answer["Location"]) == (302, back)


def test_somebody_sees_the_columns_that_it_chose_and_nobody_else_does(cast: Cast, now: datetime) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    client = signed_in(cast.buyer_viewer)
    assert "Buyer" in headings(page(cast.buyer_viewer, AGREEMENTS))

    choose(client, "value", "concluded")

    assert headings(page(cast.buyer_viewer, AGREEMENTS)) == ["Agreement", "Value", "Concluded"]
    assert "Buyer" in headings(page(cast.buyer_admin, AGREEMENTS))
    assert [event["data"]["columns"] for event in events("columns.chosen")] == [
        ["agreement", "value", "concluded"]
    ]


def test_the_first_columns_come_back(cast: Cast, now: datetime) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    at_first = headings(page(cast.buyer_viewer, AGREEMENTS))
    client = signed_in(cast.buyer_viewer)
    choose(client, "value")

    client.post(reverse("web:columns", args=["agreements"]), {"forget": "yes", "next": AGREEMENTS})

    assert headings(page(cast.buyer_viewer, AGREEMENTS)) == at_first
    assert not ColumnChoice.objects.exists()
    assert len(events("columns.forgotten")) == 1


def test_a_column_that_is_none_is_refused_by_its_name(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.buyer_viewer)
    answer = client.post(reverse("web:columns", args=["agreements"]), {"column": ["value", "colour"]})
    assert answer.status_code == 422
    assert "colour" in answer.content.decode()
    assert client.post(reverse("web:columns", args=["furniture"])).status_code == 404
    assert not ColumnChoice.objects.exists()


def test_the_way_back_stays_here(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.buyer_viewer)
    away = {"column": "value", "next": "https://elsewhere.example/agreements/"}
    assert client.post(reverse("web:columns", args=["agreements"]), away)["Location"] == "/"


def test_the_csv_is_what_is_shown(cast: Cast, now: datetime) -> None:
    """Its columns, its rows, its order, and every digit."""
    dear = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["20.123456"]).agreement
    cheap = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["1"], start=START + HOUR).agreement
    make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["5"], start=START - 24 * HOUR)
    choose(signed_in(cast.buyer_viewer), "value")

    rows = rows_of_csv(cast.buyer_viewer, f"{AGREEMENTS}?sort=-value&time=ahead")

    assert rows == [
        {"Agreement": str(dear.pk), "Value": "160.987648", "Currency": "CNY"},
        {"Agreement": str(cheap.pk), "Value": "8", "Currency": "CNY"},
    ]


@pytest.mark.parametrize(
    "key", ["agreement", "buyer", "owner", "model", "cards", "from", "quantity", "value"]
)
def test_every_heading_sorts_both_ways(cast: Cast, now: datetime, key: str) -> None:
    for number in range(3):
        make_delivery(
            owner=cast.owner, buyer=cast.buyer, prices=["3"] * (number + 1), start=START + number * HOUR
        )
    up = rows_of_csv(cast.auditor, f"{AGREEMENTS}?sort={key}")
    down = rows_of_csv(cast.auditor, f"{AGREEMENTS}?sort=-{key}")
    assert len(up) == 3
    assert down == up[::-1]
    shown = page(cast.auditor, f"{AGREEMENTS}?sort=-{key}")
    assert shown.count('aria-sort="descending"') == 1


def test_the_sort_without_a_word_is_marked_too(cast: Cast, now: datetime) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    assert 'aria-sort="descending"' in page(cast.buyer_viewer, AGREEMENTS)
    assert 'aria-sort="descending"' in page(cast.buyer_viewer, f"{AGREEMENTS}?sort=colour")


def test_pages_are_those_of_the_order(cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_A_PAGE", 2)
    made = [make_request(cast.buyer, title=title).pk for title in "cab"]
    client = signed_in(cast.buyer_viewer)
    by_title = [made[1], made[2], made[0]]
    pages = [client.get(f"/requests/?sort=title&page={number}").context["table"].page for number in (1, 2)]
    assert [pk for each in pages for pk in each] == by_title


def test_long_lists_are_counted_no_further_than_their_pages_go(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_A_PAGE", 2)
    monkeypatch.setattr(tables, "MOST_COUNTED", 4)
    for _ in range(6):
        make_request(cast.buyer)
    first, last = page(cast.buyer_viewer, "/requests/"), page(cast.buyer_viewer, "/requests/?page=2")
    assert "1 to 2 of more than 4" in first
    assert "Pages end after 4 rows" in last
    assert 'rel="next"' not in last
    assert len(rows_of_csv(cast.buyer_viewer, "/requests/")) == 6


def test_sums_stand_under_their_columns_whatever_is_shown(cast: Cast, now: datetime) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "20"])
    make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["1"])
    client = signed_in(cast.buyer_viewer)
    choose(client, "value", "quantity", "buyer")
    foot = page(cast.buyer_viewer, AGREEMENTS).split("<tfoot>")[1].split("</tfoot>")[0]
    assert 'colspan="2"' in foot
    assert foot.count("<td") == 2
    assert "24" in foot
    assert "¥248.00" in foot

    choose(client, "buyer")
    assert "<tfoot>" not in page(cast.buyer_viewer, AGREEMENTS)


def test_what_somebody_wrote_is_text_in_the_table_and_in_the_csv(cast: Cast, now: datetime) -> None:
    make_request(cast.buyer, title="=1+<b>2</b>")
    assert "=1+&lt;b&gt;2&lt;/b&gt;" in page(cast.buyer_viewer, "/requests/")
    assert rows_of_csv(cast.buyer_viewer, "/requests/")[0]["Title"] == "'=1+<b>2</b>"


def test_each_table_keeps_its_promises() -> None:
    """Keys are there once, rows have a name, and the first sort is a column's."""
    assert len(tables.REGISTERED) >= 12
    for table in tables.REGISTERED.values():
        keys = [column.key for column in table.columns]
        assert len(keys) == len(set(keys)), table.name
        assert sum(column.names_the_row for column in table.columns) == 1, table.name
        assert table.first.removeprefix("-") in {c.key for c in table.columns if c.sort}, table.name
        assert not table.sums_by or table.adds_up, table.name
