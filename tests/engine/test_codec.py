"""Equal markets have equal bytes, and bytes that are not canonical are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from marketplace.engine import (
    Budget,
    Choice,
    CodecError,
    LatencyLimit,
    OwnerCap,
    Precision,
    canonical,
    clear,
    digest,
    result_bytes,
    result_from_bytes,
    snapshot_bytes,
    snapshot_from_bytes,
)
from tests.engine.markets import market, national, offer, request, shuffled


def test_a_snapshot_survives_the_round_trip() -> None:
    snapshot = market(
        [offer(2), offer(1)],
        [request(latency=LatencyLimit("北京", 5_000), precision=Precision.BF16, stacks=("b", "a"))],
    )
    data = snapshot_bytes(snapshot)
    assert snapshot_from_bytes(data) == canonical(snapshot)
    assert snapshot_bytes(snapshot_from_bytes(data)) == data


def test_a_result_survives_the_round_trip() -> None:
    result = clear(national(3, offers=30, requests=40, slots=24))
    assert {each.remedy is None for each in result.explanations} == {True, False}
    assert result_from_bytes(result_bytes(result)) == result


def test_bytes_are_compact_sorted_json_in_utf_8() -> None:
    data = snapshot_bytes(market(requests=[request(latency=LatencyLimit("北京", 5_000))]))
    assert "北京".encode() in data
    tree = json.loads(data)
    expected = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert data == expected.encode()


def test_rows_and_sets_have_one_order() -> None:
    snapshot = national(1, offers=20, requests=20, slots=24)
    for seed in range(5):
        other = shuffled(snapshot, seed)
        assert other != snapshot
        assert snapshot_bytes(other) == snapshot_bytes(snapshot)


def test_groups_have_one_order_too() -> None:
    snapshot = market(
        requests=[request(1), request(2), request(3)],
        budgets=(Budget(1, (1, 2, 3), "CNY", 5), Budget(2, (3, 1), "USD", 6)),
        choices=(Choice(1, (1, 2, 3), 1), Choice(2, (2, 1), 1)),
        owner_caps=(OwnerCap(1, 1, 5), OwnerCap(1, 2, 5), OwnerCap(2, 1, 5)),
    )
    other = replace(
        snapshot,
        budgets=(Budget(2, (1, 3), "USD", 6), Budget(1, (3, 1, 2), "CNY", 5)),
        choices=snapshot.choices[::-1],
        owner_caps=snapshot.owner_caps[::-1],
    )
    assert snapshot_bytes(other) == snapshot_bytes(snapshot)
    assert snapshot_from_bytes(snapshot_bytes(snapshot)) == canonical(snapshot)


def test_free_cards_and_asks_keep_their_order() -> None:
    rising, falling = (1, 2, 3), (3, 2, 1)
    one, other = (market([offer(free=free, asks=(5, 5, 5))]) for free in (rising, falling))
    assert snapshot_bytes(one) != snapshot_bytes(other)


def test_every_figure_counts() -> None:
    snapshot = market()
    dearer = market([replace(snapshot.offers[0], lot=2)])
    assert digest(snapshot_bytes(snapshot)) != digest(snapshot_bytes(dearer))


def test_the_digest_is_sha_256() -> None:
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data + b" ",
        lambda data: data.replace(b'"lot":1', b'"lot": 1'),
        lambda data: data.replace(b'"lot":1', b'"lot":1.0'),
        lambda data: data.replace(b'"lot":1', b'"lot":"1"'),
        lambda data: data.replace(b'"lot":1', b'"lot":true'),
        lambda data: data.replace(b'"lot":1', b'"lot":1,"luck":7'),
        lambda data: data.replace(b'"lot":1,', b""),
        lambda data: data.replace(b'"training"', b'"dreaming"'),
        lambda data: data.replace(b'"id":1', b'"id":9', 1),
        lambda data: data[:-1],
        lambda data: data[:0] + b"[]",
    ],
)
def test_bytes_that_are_not_canonical_are_refused(spoil: Callable[[bytes], bytes]) -> None:
    data = snapshot_bytes(market([offer(1), offer(2)]))
    spoilt = spoil(data)
    assert spoilt != data
    with pytest.raises(CodecError):
        snapshot_from_bytes(spoilt)


def test_a_result_with_a_foreign_field_is_refused() -> None:
    data = result_bytes(clear(market()))
    with pytest.raises(CodecError):
        result_from_bytes(data.replace(b'"surplus":', b'"extra":1,"surplus":'))
