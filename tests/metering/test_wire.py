"""The three modes of CloudEvents over HTTP, packed or not, within bounds."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from billing.metering import content as unpacking
from billing.metering import events
from billing.metering.events import BATCH, MOST_BYTES, SINGLE, MalformedBatch, ReadEvent, read_batch
from billing.metering.models import Reading
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, START, event, make_delivery
from tests.cast import Cast, bearer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    """One hour that ended before the tests' now."""
    return make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"], start=START - 3 * HOUR)


@pytest.fixture
def post(cast: Cast) -> Any:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=bearer(cast.token(cast.owner, "agent"))["Authorization"])

    def send(content: bytes, content_type: str, **headers: str) -> Any:
        return client.generic(
            "POST", "/api/v1/meter-events", content, content_type=content_type, headers=headers
        )

    return send


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def _headers(body: dict[str, Any]) -> dict[str, str]:
    return {f"ce-{name}": value for name, value in body.items() if name not in {"data", "datacontenttype"}}


def test_one_event_is_the_same_in_every_mode(delivery: Delivery, post: Any) -> None:
    body = event(delivery)
    answers = [
        post(_encoded(body), f"{SINGLE}; charset=utf-8"),
        post(_encoded([body]), BATCH),
        post(_encoded(body["data"]), "application/json; charset=utf-8", **_headers(body)),
    ]
    assert [answer.json()["results"][0]["status"] for answer in answers] == [
        "accepted", "duplicate", "duplicate",
    ]  # fmt: skip


def test_binary_mode_may_come_first_and_keeps_what_it_does_not_know(delivery: Delivery, post: Any) -> None:
    body = event(delivery)
    headers = _headers(body) | {"ce-comexamplerack": "R%20%22%E6%9C%BA%E6%9E%B6%22"}
    assert post(_encoded(body["data"]), "application/json", **headers).json()["accepted"] == 1
    stored = json.loads(Reading.objects.get().body)
    assert stored == body | {"comexamplerack": 'R "机架"'}
    assert post(_encoded(stored), SINGLE).json()["duplicate"] == 1


@pytest.mark.parametrize("value", ['"e\\"1"', "e%221", 'e"1'])
def test_a_header_may_be_quoted(delivery: Delivery, post: Any, value: str) -> None:
    body = event(delivery)
    answer = post(_encoded(body["data"]), "application/json", **_headers(body) | {"ce-id": value})
    assert answer.json()["results"][0]["id"] == 'e"1'


def test_data_that_goes_on_after_its_end_names_no_other_id(delivery: Delivery, post: Any) -> None:
    body = event(delivery)
    data = _encoded(body["data"])
    for content in (data + b',"id":"other"', b"", b"{", data + b"}"):
        answer = post(content, "application/json", **_headers(body))
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_batch")
    assert post(data, "application/json", **_headers(body) | {"ce-data": "{}"}).json()["accepted"] == 1


@pytest.mark.parametrize("missing", ["id", "source", "type", "time", "subject"])
def test_an_attribute_that_is_missing_is_named(delivery: Delivery, post: Any, missing: str) -> None:
    body = event(delivery)
    headers = {name: value for name, value in _headers(body).items() if name != f"ce-{missing}"}
    (result,) = post(_encoded(body["data"]), "application/json", **headers).json()["results"]
    assert result["reason"] == "malformed"
    assert missing in result["message"]


def test_json_that_says_nothing_of_cloudevents_is_refused(delivery: Delivery, post: Any) -> None:
    answer = post(_encoded(event(delivery)), "application/json")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_batch_may_be_packed(delivery: Delivery, post: Any) -> None:
    packed = gzip.compress(_encoded([event(delivery)]))
    answer = post(packed, BATCH, **{"Content-Encoding": "gzip"})
    assert answer.json()["accepted"] == 1


def test_a_small_body_that_unpacks_into_a_large_one_is_refused(post: Any) -> None:
    bomb = gzip.compress(b"[" + b" " * (64 * 1024 * 1024) + b"]")
    assert len(bomb) < 100_000
    answer = post(bomb, BATCH, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")
    assert len(unpacking._gunzipped(bomb)) == MOST_BYTES + 1


def test_what_unpacks_to_just_the_bound_is_taken(post: Any) -> None:
    content = b"[" + b" " * (MOST_BYTES - 2) + b"]"
    assert post(gzip.compress(content), BATCH, **{"Content-Encoding": "gzip"}).status_code == 200
    assert post(gzip.compress(content + b" "), BATCH, **{"Content-Encoding": "gzip"}).status_code == 413


@pytest.mark.parametrize(
    ("content", "encoding", "status", "code"),
    [
        (b"[]", "gzip", 400, "malformed_encoding"),
        (gzip.compress(b"[]")[:-3], "gzip", 400, "malformed_encoding"),
        (gzip.compress(b"[]") + b"x", "gzip", 400, "malformed_encoding"),
        (zlib.compress(b"[]"), "deflate", 415, "unknown_encoding"),
    ],
    ids=["not packed", "cut short", "more after it", "another way"],
)
def test_what_cannot_be_unpacked_gets_a_problem(
    post: Any, content: bytes, encoding: str, status: int, code: str
) -> None:
    answer = post(content, BATCH, **{"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_event_with_half_a_character_costs_only_itself(delivery: Delivery, post: Any) -> None:
    """JSON's grammar takes half a surrogate pair; nothing can be stored of it."""
    bad = b'{"specversion": "1.0", "id": "\\ud800"}'
    good = [_encoded(event(delivery, name)) for name in ("a", "b")]
    answer = post(b"[" + good[0] + b" , " + bad + b"," + good[1] + b"]\n", BATCH).json()
    assert [result["status"] for result in answer["results"]] == ["accepted", "rejected", "accepted"]
    assert [row.body.encode() for row in Reading.objects.order_by("pk")] == good


@pytest.mark.parametrize("broken", [b"\xff", b'{"a": "\xff"}', b"1e999"])
def test_an_event_that_is_no_text_costs_only_itself(delivery: Delivery, post: Any, broken: bytes) -> None:
    answer = post(b"[" + _encoded(event(delivery)) + b"," + broken + b"]", BATCH)
    if answer.status_code == 400:  # what no event can begin with
        assert broken == b"\xff"
    else:
        assert [result["status"] for result in answer.json()["results"]] == ["accepted", "rejected"]


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.from_regex(rb"\[[\[\]{},\"1a:\\ud]*\]")
)
def test_whatever_is_sent_is_a_batch_or_refused(content: bytes) -> None:
    try:
        read = read_batch(content)
    except MalformedBatch:
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, ValueError)):
            json.loads(content) if isinstance(json.loads(content), list) else json.loads("")
    else:
        assert len(read) == len(json.loads(content.decode(errors="replace")))


@given(st.lists(st.integers(0, 5), max_size=6))
def test_events_read_together_are_those_read_one_by_one(kinds: list[int]) -> None:
    """The fast way and the careful way agree; extension attributes, and only they, need the careful one."""
    made = [_any_event(kind, number) for number, kind in enumerate(kinds)]
    bodies = [_encoded(one) for one in made]
    together = read_batch(b"[" + b",".join(bodies) + b"]")
    assert msgspec.to_builtins(together) == msgspec.to_builtins([events._read(body) for body in bodies])
    assert sum(isinstance(one, ReadEvent) for one in together) == sum(kind < 3 for kind in kinds)


def _any_event(kind: int, number: int) -> Any:
    good = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "urn:cardhour:site:7:node",
        "type": "org.cardhour.meter.v1",
        "time": "2026-03-02T09:01:00Z",
        "subject": "delivery/3",
        "data": {
            "meter": "energy.wh",
            "starts_at": "2026-03-02T09:00:00Z",
            "ends_at": "2026-03-02T17:01:00+08:00",
            "quantity": 3,
        },
    }
    variants: list[Any] = [
        good,
        good | {"traceparent": "00-1"},
        good | {"data": good["data"] | {"corrects": "x"}},
        good | {"id": "\0"},
        good | {"subject": "x"},
        7,
    ]
    return variants[kind]
