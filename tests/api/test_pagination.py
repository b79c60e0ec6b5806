from __future__ import annotations

from base64 import b64encode
from urllib.parse import urlencode

import pytest
from django.test import Client

from accounts.models import Scope
from marketplace.catalogue.models import SoftwareStack
from tests.cast import Cast, bearer

pytestmark = pytest.mark.urls("tests.api.endpoints")


@pytest.fixture
def caller(cast: Cast) -> Client:
    return Client(headers=bearer(cast.token(cast.owner, Scope.READ)))


def make_stacks(count: int) -> None:
    SoftwareStack.objects.bulk_create(SoftwareStack(slug=f"s{n}", name=str(n)) for n in range(count))


def test_fifty_a_page_newest_first(caller: Client) -> None:
    make_stacks(51)

    page = caller.get("/api/stacks").json()
    rest = caller.get(page["next"]).json()

    assert [stack["slug"] for stack in page["results"]] == [f"s{n}" for n in range(50, 0, -1)]
    assert [stack["slug"] for stack in rest["results"]] == ["s0"]
    assert rest["next"] is None


def test_the_caller_chooses_the_length_up_to_five_hundred(caller: Client) -> None:
    make_stacks(501)

    assert len(caller.get("/api/stacks?limit=2").json()["results"]) == 2
    assert len(caller.get("/api/stacks?limit=9999").json()["results"]) == 500


def test_what_is_new_does_not_shift_the_next_page(caller: Client) -> None:
    make_stacks(4)
    page = caller.get("/api/stacks?limit=2").json()
    SoftwareStack.objects.create(slug="new", name="new")

    assert [stack["slug"] for stack in caller.get(page["next"]).json()["results"]] == ["s1", "s0"]


def test_a_page_costs_one_query_whatever_its_length(
    caller: Client, django_assert_num_queries: object
) -> None:
    make_stacks(30)
    with django_assert_num_queries(2):  # type: ignore[operator]  # the token and the page
        caller.get("/api/stacks?limit=30")


def test_a_cursor_that_is_none(caller: Client) -> None:
    assert caller.get("/api/stacks?cursor=nonsense").json()["code"] == "not_found"


@pytest.mark.parametrize("position", ["", "abc", "\0", "²", "-1", "9" * 19, "9" * 5000])
def test_a_cursor_that_names_no_row(caller: Client, position: str) -> None:
    cursor = b64encode(urlencode({"p": position}).encode()).decode()
    assert caller.get("/api/stacks", {"cursor": cursor}).json()["code"] == "not_found"
