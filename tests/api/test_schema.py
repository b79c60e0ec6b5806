"""The OpenAPI document: complete, valid, and shown on a page that the policy of the pages allows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_it_is_valid_openapi_3_1(schema: Any) -> None:
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)


def test_it_is_made_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    GENERATOR_STATS.reset()
    SchemaGenerator().get_schema(request=None, public=True)

    # Each warning says where it comes from on standard error.
    assert (GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache) == ({}, {}), capsys.readouterr().err


def test_every_operation_needs_a_token_and_says_how_it_refuses(schema: Any) -> None:
    operations = [op for path in schema["paths"].values() for op in path.values() if "responses" in op]

    assert operations
    for operation in operations:
        problem = operation["responses"]["401"]["content"]["application/problem+json"]["schema"]
        assert problem == {"$ref": "#/components/schemas/Problem"}
    open_to_all = {
        operation["operationId"]
        for operation in operations
        if {"bearer": []} not in operation.get("security", [])
    }
    assert open_to_all == {"agent_enrolment_create"}  # which brings a code and a signature
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_the_schema_is_served(client: Client) -> None:
    answer = client.get("/api/schema/", headers={"Accept": "application/json"})

    assert answer.json()["info"]["title"] == "Cardhour API"


def test_the_page_of_it_has_nothing_inline_and_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/")
    html = page.content.decode()

    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert "<style" not in html
    assert " style=" not in html
    sources = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert sources
    assert all(source.startswith("/") for source in sources)


def test_the_script_of_the_page_is_javascript(client: Client) -> None:
    script = client.get("/api/docs/?script=")

    assert script.headers["Content-Type"].startswith("application/javascript")
    assert b"/api/schema/" in script.content
