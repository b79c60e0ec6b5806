"""What the agent makes for a delivery: a namespace, and in it a quota, an account and its rights.

All of it bears the agent's label, and the namespace says which delivery it is for. A namespace of that name
without the label is somebody else's, and is left alone.
"""

from __future__ import annotations

from typing import Any

from marketplace.agent.driver import Wanted
from marketplace.agent.kubernetes.settings import Cards

MANAGED = "app.kubernetes.io/managed-by"
AGENT = "cardhour-agent"
DELIVERY = "cardhour.org/delivery"
BUYER = "buyer"
QUOTA = "cardhour"
SECURITY = {"pod-security.kubernetes.io/enforce": "baseline"}
"""Buyers' pods get at no host: neither its network nor its files nor its privileges."""

RIGHTS = [
    {
        "apiGroups": [""],
        "resources": [
            "pods", "pods/log", "pods/exec", "pods/portforward", "services", "configmaps", "secrets",
            "persistentvolumeclaims", "events",
        ],
        "verbs": ["*"],
    },
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "replicasets"], "verbs": ["*"]},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["*"]},
]  # fmt: skip


def name_of(delivery: int) -> str:
    return f"ch-d{delivery}"


def namespace_path(delivery: int) -> str:
    return f"/api/v1/namespaces/{name_of(delivery)}"


def path_of(delivery: int, kind: str, name: str) -> str:
    """Of an object inside of the delivery's namespace."""
    group = "/apis/rbac.authorization.k8s.io/v1" if kind.startswith("role") else "/api/v1"
    return f"{group}/namespaces/{name_of(delivery)}/{kind}/{name}"


def namespace(delivery: int) -> dict[str, Any]:
    return _object("v1", "Namespace", name_of(delivery), {DELIVERY: str(delivery)} | SECURITY)


def quota(wanted: Wanted, cards: Cards) -> dict[str, Any]:
    limit = {f"requests.{cards.resource}": str(wanted.cards)}
    return _object("v1", "ResourceQuota", QUOTA) | {"spec": {"hard": limit}}


def closed_quota() -> dict[str, Any]:
    """Nothing more begins."""
    return _object("v1", "ResourceQuota", QUOTA) | {"spec": {"hard": {"pods": "0"}}}


def account() -> dict[str, Any]:
    return _object("v1", "ServiceAccount", BUYER)


def role() -> dict[str, Any]:
    return _object("rbac.authorization.k8s.io/v1", "Role", BUYER) | {"rules": RIGHTS}


def binding(delivery: int) -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "name": BUYER, "namespace": name_of(delivery)}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": BUYER}
    made = _object("rbac.authorization.k8s.io/v1", "RoleBinding", BUYER)
    return made | {"subjects": [subject], "roleRef": reference}


def record(delivery: int, text: str) -> dict[str, Any]:
    """What was seen of a delivery's pods, in the agent's own namespace: no buyer gets at it."""
    made = _object("v1", "ConfigMap", name_of(delivery), {DELIVERY: str(delivery)})
    return made | {"data": {"pods": text}}


def _object(version: str, kind: str, name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    metadata = {"name": name, "labels": {MANAGED: AGENT} | (labels or {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}
