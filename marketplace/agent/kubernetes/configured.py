"""The driver as its table in the configuration says: [kubernetes] and [kubernetes.models.…]."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from marketplace.agent.errors import SiteProblem
from marketplace.agent.kubernetes.api import Api
from marketplace.agent.kubernetes.driver import KubernetesDriver
from marketplace.agent.kubernetes.settings import Cards, Cluster
from marketplace.agent.toml import table_of, text_of

HEADING = "kubernetes"
IN_A_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT = httpx.Timeout(30, connect=10)


def driver_of(own: Mapping[str, Any]) -> KubernetesDriver:
    """Raises ``SiteProblem`` that names what is missing."""
    server = text_of(own, "server", under=HEADING)
    authority = _file(own, "authority_file", IN_A_POD / "ca.crt")
    token = _file(own, "token_file", IN_A_POD / "token").strip()
    try:
        trusted = ssl.create_default_context(cadata=authority)
    except ssl.SSLError as error:
        raise SiteProblem(f"“authority_file” holds no certificate: {error}.") from error
    client = httpx.Client(
        base_url=server, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT, verify=trusted
    )
    cluster = Cluster(
        models={model: _cards(cards) for model, cards in table_of(own, "models").items()},
        server=str(own.get("public_server", server)),
        authority=b64encode(authority.encode()).decode(),
        namespace=str(own.get("namespace", "cardhour-agent")),
    )
    return KubernetesDriver(cluster, Api(client))


def _cards(cards: Mapping[str, Any]) -> Cards:
    names = ("resource", "nodes", "memory_gb")
    return Cards(*(text_of(cards, name, under=HEADING) for name in names))


def _file(own: Mapping[str, Any], name: str, otherwise: Path) -> str:
    path = Path(str(own.get(name, otherwise)))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SiteProblem(f"“{name}”: {path} cannot be read ({error}).") from error
