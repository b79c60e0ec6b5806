"""The examples of docs/metering.md, run with a shell and curl against the exchange, answer as it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_django.live_server_helper import LiveServer

from billing.metering.rules import Reason
from tests.billing.builders import START, make_delivery
from tests.cast import Cast
from tests.metering.scenes import counted

PAGE = Path(__file__).parents[2] / "docs" / "metering.md"
PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
BLOCK = re.compile(r"```(sh|json)\n(.*?)```", re.DOTALL)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    not all(map(shutil.which, ("curl", "openssl"))), reason="the examples need curl and openssl"
)
def test_every_example_answers_as_the_page_says(cast: Cast, live_server: LiveServer, tmp_path: Path) -> None:
    delivery, agent = make_delivery(owner=cast.owner, buyer=cast.buyer), cast.agent(cast.owner)
    (tmp_path / "key.pem").write_bytes(agent.identity.key.private.private_bytes(*PEM))
    facts = {
        "CARDHOUR": live_server.url,
        "TOKEN": agent.secret,
        "KEY": str(tmp_path / "key.pem"),
        "READ": cast.token(cast.owner, "read"),
        "SITE": str(delivery.site_id),
        "DELIVERY": str(delivery.pk),
    }
    answers = 0
    answer = ""
    for kind, block in BLOCK.findall(PAGE.read_text()):
        if kind == "sh":
            answer = _run(block, facts, tmp_path)
        else:
            assert _without_what_varies(json.loads(answer)) == _said(block, facts)
            answers += 1
    assert answers == 5
    assert counted(delivery) == {START: 470}


def _run(block: str, facts: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=os.environ | facts | {"no_proxy": "*"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def _said(block: str, facts: dict[str, str]) -> Any:
    for name, value in facts.items():
        block = block.replace(f"${name}", value)
    return _without_what_varies(json.loads(block))


def _without_what_varies(answer: dict[str, Any]) -> dict[str, Any]:
    rows = [{name: str(row[name]) for name in row if name != "agreement"} for row in answer["results"]]
    if "accepted" not in answer:
        rows = [{name: row[name] for name in row if name != "id"} for row in rows]
    return answer | {"results": rows}


def test_every_reason_is_explained() -> None:
    text = PAGE.read_text()
    assert [reason.value for reason in Reason if f"`{reason.value}`" not in text] == []
