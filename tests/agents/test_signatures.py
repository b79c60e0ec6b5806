"""What the exchange takes for a signed request, and what it does not."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from django.test import Client
from http_message_signatures import HTTPMessageSigner, algorithms
from http_message_signatures.resolvers import MappingKeyResolver

from marketplace.agent.exchange import Exchange, connect
from marketplace.agent.identity import Key
from marketplace.agent.signing import SignedBy, signature
from tests.agent.in_process import exchange_transport
from tests.agents_at_work import HOST, EnrolledAgent, agent_of
from tests.cast import Cast, bearer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

PATH = "/api/v1/agent/transitions"
BODY = json.dumps({"transitions": []}).encode()
TOLD = {"Content-Type": "application/json"}


@pytest.fixture
def agent(cast: Cast) -> EnrolledAgent:
    return agent_of(cast.owner)


def made(
    agent: EnrolledAgent, key: Key | None = None, *, at: float = 0.0, path: str = PATH
) -> dict[str, str]:
    headers = signature("POST", HOST + path, TOLD, BODY, key or agent.identity.key, at=time.time() + at)
    return bearer(agent.secret) | headers


def answer(client: Client, headers: dict[str, str], body: bytes = BODY, path: str = PATH) -> tuple[int, str]:
    given = client.generic("POST", path, body, TOLD["Content-Type"], headers=headers)
    return given.status_code, given.json().get("code", "")


def changed(headers: dict[str, str], name: str, old: str, new: str) -> dict[str, str]:
    assert old in headers[name]
    return headers | {name: headers[name].replace(old, new)}


def test_each_signature_counts_once(client: Client, agent: EnrolledAgent) -> None:
    headers = made(agent)
    assert answer(client, headers) == (200, "")
    assert answer(client, headers) == (401, "signature_replayed")
    assert answer(client, made(agent)) == (200, "")


def test_what_was_signed_cannot_be_changed(client: Client, agent: EnrolledAgent) -> None:
    other = b'{"transitions": [1]}'
    assert answer(client, made(agent), body=other) == (401, "signature_wrong")
    assert answer(client, made(agent), path=f"{PATH}?limit=1") == (401, "signature_wrong")
    assert answer(client, made(agent), path="/api/v1/agent/heartbeat")[0] in {401, 404}
    digest = signature("POST", HOST + PATH, TOLD, other, agent.identity.key, at=time.time())["Content-Digest"]
    assert answer(client, made(agent) | {"Content-Digest": digest}, body=other) == (401, "signature_wrong")
    for name, old, new in (
        ("Signature-Input", '"@query" ', ""),  # covering less
        ("Signature-Input", "created=", "created=1"),
        ("Signature-Input", 'nonce="', 'nonce="a'),
        ("Signature-Input", "cardhour-agent", "another"),
        ("Signature", "agent=", "other="),
    ):
        assert answer(client, changed(made(agent), name, old, new)) == (401, "signature_wrong"), (name, new)


def test_a_header_that_says_how_to_read_the_body_is_covered(client: Client, agent: EnrolledAgent) -> None:
    """Else a body could be made to mean something else: CloudEvents in binary mode live in headers."""
    late = made(agent) | {"ce-id": "another"}
    assert answer(client, late) == (401, "signature_wrong")


def test_only_the_agents_own_key_signs(client: Client, agent: EnrolledAgent, cast: Cast) -> None:
    others = agent_of(cast.other_owner).identity.key
    assert answer(client, made(agent, Key.new())) == (401, "signature_key_unknown")
    assert answer(client, made(agent, others)) == (401, "signature_key_unknown")
    forged = changed(made(agent, others), "Signature-Input", others.name, agent.identity.key.name)
    assert answer(client, forged) == (401, "signature_wrong")


@pytest.mark.parametrize("headers", ["", "agent", "agent=()", 'agent=("@method");created=1', "\x00", "é"])
def test_what_is_no_signature_is_refused_in_words(client: Client, agent: EnrolledAgent, headers: str) -> None:
    given = bearer(agent.secret) | {"Signature": headers, "Signature-Input": headers}
    status, code = answer(client, given)
    assert (status, code.partition("_")[0]) == (401, "signature")


@pytest.mark.parametrize("off", [-61, -300, 61, 86_400 * 400])
def test_a_stale_signature_is_told_the_time(client: Client, agent: EnrolledAgent, off: int) -> None:
    given: Any = client.generic("POST", PATH, BODY, TOLD["Content-Type"], headers=made(agent, at=off))
    assert (given.status_code, given.json()["code"]) == (401, "signature_stale")
    assert abs(given.json()["exchange_time"] - time.time()) <= 5
    assert "WWW-Authenticate" in given.headers


@pytest.mark.parametrize("off", [-300, 300, 86_400 * 365])
def test_an_agent_whose_clock_is_off_works_and_knows_by_how_much(agent: EnrolledAgent, off: int) -> None:
    asked: list[int] = []
    auth = SignedBy(lambda: agent.identity, clock=lambda: time.time() + off)
    with connect(HOST, auth, transport=exchange_transport()) as client:
        client.event_hooks["response"] = [lambda response: asked.append(response.status_code)]
        for _ in range(3):
            assert Exchange(client).self()["site"] == agent.agent.site_id
    assert asked == [401, 200, 200, 200]
    assert abs(auth.behind + off) <= 5


def test_the_same_bytes_as_the_standard() -> None:
    """RFC 9421, B.2.6: its request, its key, its signature."""
    key = Key("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU")
    message = httpx.Request(
        "POST",
        "https://example.com/foo?param=Value&Pet=dog",
        headers={
            "Date": "Tue, 20 Apr 2021 02:07:55 GMT",
            "Content-Type": "application/json",
            "Content-Length": "18",
        },
    )
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.ED25519,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={"test-key-ed25519": key.private}),
    )
    signer.sign(
        message,
        key_id="test-key-ed25519",
        created=datetime.fromtimestamp(1_618_884_473, UTC),
        label="sig-b26",
        include_alg=False,
        covered_component_ids=(
            "date", "@method", "@path", "@authority", "content-type", "content-length",
        ),
    )  # fmt: skip
    assert message.headers["Signature"] == (
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
    )
