"""Asks every address as everybody and compares with the table; see ``tests.permissions.table``."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from rest_framework.renderers import JSONRenderer

from accounts.models import AuditEvent, Organisation
from marketplace.audit.access.looks import LOOKED
from tests.cast import Cast, bearer
from tests.permissions.addresses import our_names
from tests.permissions.table import ACTORS, FURTHER_ACTORS, Row, all_rows

ROWS = all_rows()
# What the reader made or chose, rules, and the page that lists looks.
OF_THE_READER = {
    *("access:looks", "api:policies", "compliance:policies", "jobs:jobs"),
    *("evidence:download", "evidence:pack", "evidence:packs"),
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    named = {row.name for row in ROWS}

    unnamed, stray = sorted(our_names() - named), sorted(named - our_names())
    assert not unnamed, "no row in tests/permissions/rows/ names:\n" + "\n".join(unnamed)
    assert not stray, "no address has the name that these rows give:\n" + "\n".join(stray)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_table_is_whole(row: Row) -> None:
    assert set(ACTORS) <= set(row.expected) <= {*ACTORS, *FURTHER_ACTORS}


# What an auditor may do: export what it reads, judge findings, and choose how its own pages look.
OF_AUDITORS = ("evidence:", "findings:", "notifications:", "web:", "accounts:", "api:finding")
# Questions that are too long for an address, and asking a payment's provider how it stands.
CHANGE_NOTHING = {"api:quote-list", "clearing:quote", "payments:refresh"}


def test_an_auditor_changes_nothing_of_anybody() -> None:
    """Neither its own rows nor those of others: no address takes anything from it."""
    taken = {
        str(row)
        for row in ROWS
        if row.method != "GET"
        and row.expected["auditor"] < 400
        and not row.name.startswith(OF_AUDITORS)
        and row.name not in CHANGE_NOTHING
    }
    assert taken == set()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_answers_are_those_of_the_table(row: Row, cast: Cast, now: datetime) -> None:
    kwargs = row.given(cast)
    body = row.body(cast) if callable(row.body) else row.body
    clients = {actor: _client(actor, row, cast) for actor in row.expected}

    answers = {actor: _ask(client, row.method, row, kwargs, body) for actor, client in clients.items()}

    assert {actor: answer.status_code for actor, answer in answers.items()} == dict(row.expected)
    if kwargs and not row.public and row.expected["anonymous"] != 200:
        assert _refusals_of_strangers(row) <= {404}, "a stranger must not learn that the object exists"
    if _is_a_look(row):
        assert answers["auditor"].looks, "what an auditor reads of others leaves an audit event"
    if row.shown_to is not None:
        assert {actor for actor, answer in answers.items() if _entries(answer)} == row.shown_to
    if answers["anonymous"].status_code == 302:
        assert "/accounts/login/" in answers["anonymous"]["Location"]


def _is_a_look(row: Row) -> bool:
    """What an auditor gets, and not everybody does, is somebody's."""
    return (
        row.method == "GET"
        and (row.expected["auditor"], row.expected["anonymous"]) in {(200, 302), (200, 401)}
        and row.name not in OF_THE_READER
    )


def _refusals_of_strangers(row: Row) -> set[int]:
    """What strangers are answered, without people where all of them are refused before anything is read."""
    strangers = {"stranger", "token_stranger"} & row.expected.keys()
    if {row.expected[actor] for actor in ACTORS if actor != "anonymous"} == {403}:
        strangers -= {"stranger"}
    return {row.expected[actor] for actor in strangers}


def _entries(answer: HttpResponse) -> list[Any]:
    """The entries of a list in the API; none where the answer is a refusal."""
    if answer.status_code != 200:
        return []
    content = answer.json()
    if isinstance(content, dict):
        content = content["results"] if "results" in content else content["sites"]
    return list(content)


def _by_name() -> dict[str, list[Row]]:
    rows = defaultdict(list)
    for row in ROWS:
        rows[row.name].append(row)
    return rows


@pytest.mark.parametrize("name", sorted(_by_name()))
def test_methods_without_a_row_are_refused(name: str, cast: Cast, now: datetime) -> None:
    rows = _by_name()[name]
    kwargs = rows[0].given(cast)
    client = _client("admin", rows[0], cast)

    unnamed = [method for method in METHODS if method not in {row.method for row in rows}]
    answers = {method: _ask(client, method, rows[0], kwargs, None).status_code for method in unnamed}

    # 403 and 404: refused before the method was looked at.
    assert {m: s for m, s in answers.items() if s not in {403, 404, 405}} == {}


def _ask(client: Client, method: str, row: Row, kwargs: Any, body: Any) -> HttpResponse:
    path = reverse(row.name, kwargs=kwargs) + (f"?{row.query}" if row.query else "")
    is_api = path.startswith("/api/")
    headers = {"Idempotency-Key": str(uuid.uuid4())} if is_api and method == "POST" else {}
    with transaction.atomic():
        if is_api and method != "GET":
            answer = client.generic(method, path, _json(body), row.content_type, headers=headers)
        else:
            answer = getattr(client, method.lower())(path, body, headers=headers)
        answer.looks = AuditEvent.objects.filter(action=LOOKED).count()
        transaction.set_rollback(True)
    return answer


def _json(body: Any) -> bytes:
    return JSONRenderer().render({} if body is None else body)


def _client(actor: str, row: Row, cast: Cast) -> Client:
    ours: Organisation = getattr(cast, row.of)
    if actor.startswith("token_"):
        return Client(raise_request_exception=False, headers=bearer(_secret(actor, ours, row, cast)))
    client = Client(raise_request_exception=False)
    if actor == "counterparty":
        client.force_login(cast.buyer_admin if row.of == "owner" else cast.owner_admin)
    elif actor != "anonymous":
        own = actor in {"stranger", "auditor", "operator"}
        client.force_login(getattr(cast, actor if own else f"{row.of}_{actor}"))
    return client


def _secret(actor: str, ours: Organisation, row: Row, cast: Cast) -> str:
    if actor == "token_stranger":
        other = cast.other_owner if row.of == "owner" else cast.other_buyer
        of_agents = row.expected.get("token_agent") != row.expected.get("token_read")
        return cast.token(other, "read", "trade", *(["agent"] if of_agents else []))
    return cast.token(ours, actor.removeprefix("token_"))
