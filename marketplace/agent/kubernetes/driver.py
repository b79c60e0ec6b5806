"""Kubernetes as a driver: a delivery is a namespace with a quota on the cards' resource.

The namespace is made first, and what was seen of its pods is removed last: whatever was made is found by
one of the two. A quota bounds and does not reserve: cards that others may ask for are free only as long as
nobody does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marketplace.agent.driver import Acceptance, Wanted
from marketplace.agent.errors import SiteProblem
from marketplace.agent.kubernetes import objects
from marketplace.agent.kubernetes.api import Api, ApiRefused
from marketplace.agent.kubernetes.objects import AGENT, BUYER, DELIVERY, MANAGED, QUOTA, path_of
from marketplace.agent.kubernetes.pods import OVER, Record, cards_of, ended, moment, seen
from marketplace.agent.kubernetes.settings import Cards, Cluster
from marketplace.agent.usage import Span, card_seconds

SHORTEST_TOKEN = 600
GONE = 410


@dataclass(frozen=True, slots=True)
class KubernetesDriver:
    cluster: Cluster
    api: Api
    now: Callable[[], float] = time.time

    def present(self) -> frozenset[int]:
        mine, _ = self.api.items("/api/v1/namespaces", f"{MANAGED}={AGENT},{DELIVERY}")
        kept, _ = self.api.items(self._records(), f"{MANAGED}={AGENT},{DELIVERY}")
        there = [one for one in mine if "deletionTimestamp" not in one["metadata"]]
        return frozenset(int(one["metadata"]["labels"][DELIVERY]) for one in [*there, *kept])

    def provide(self, wanted: Wanted) -> None:
        pk, cards = wanted.delivery, self.cluster.cards(wanted.model)
        self._check_mine(pk)
        self.api.apply(objects.namespace_path(pk), objects.namespace(pk))
        if self._record_of(pk) is None:
            self._keep(pk, cards.resource, Record("", int(self.now()), {}))
        self.api.apply(path_of(pk, "resourcequotas", QUOTA), objects.quota(wanted, cards))
        self.api.apply(path_of(pk, "serviceaccounts", BUYER), objects.account())
        self.api.apply(path_of(pk, "roles", BUYER), objects.role())
        if wanted.open:
            self.api.apply(path_of(pk, "rolebindings", BUYER), objects.binding(pk))

    def accept(self, wanted: Wanted) -> Acceptance:
        """What the API says of the nodes, less what pods of others hold."""
        cards = self.cluster.cards(wanted.model)
        nodes = self._nodes(cards)
        free = sum(nodes.values()) - self._held_by_others(wanted.delivery, cards, set(nodes))
        return Acceptance(
            cards_visible=max(0, min(free, wanted.cards)),
            model=wanted.model,
            memory_gb=cards.memory_gb,
            passed=free >= wanted.cards,
            evidence={
                "driver": "kubernetes",
                "resource": cards.resource,
                "nodes": sorted(nodes),
                "memory_gb": "configured",
            },
        )

    def visible(self, wanted: Wanted) -> int:
        return min(wanted.cards, sum(self._nodes(self.cluster.cards(wanted.model)).values()))

    def access(self, wanted: Wanted) -> Mapping[str, str]:
        """A kubeconfig whose token ends with the delivery, or when the cluster lets it end."""
        seconds = max(SHORTEST_TOKEN, wanted.window.until - int(self.now()))
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = f"{path_of(wanted.delivery, 'serviceaccounts', BUYER)}/token"
        status = self.api.create(path, asked)["status"]
        kubeconfig = self._kubeconfig(objects.name_of(wanted.delivery), status["token"])
        return {"kubeconfig": json.dumps(kubeconfig, indent=2), "until": status["expirationTimestamp"]}

    def stop(self, delivery: int) -> bool:
        if not self._check_mine(delivery):
            return True
        self.api.apply(path_of(delivery, "resourcequotas", QUOTA), objects.closed_quota())
        self.api.delete(path_of(delivery, "rolebindings", BUYER))
        self.api.delete(f"{objects.namespace_path(delivery)}/pods")
        pods, _ = self.api.items(f"{objects.namespace_path(delivery)}/pods")
        return not [pod for pod in pods if pod.get("status", {}).get("phase") not in OVER]

    def remove(self, delivery: int) -> None:
        """With the namespace goes all that is in it, the account and so its tokens."""
        if self._check_mine(delivery):
            self.api.delete(objects.namespace_path(delivery))
        self.api.delete(f"{self._records()}/{objects.name_of(delivery)}")

    def watch(self) -> None:
        """Write down what pods did since the last turn: the API remembers that for some minutes only."""
        kept, _ = self.api.items(self._records(), f"{MANAGED}={AGENT},{DELIVERY}")
        for one in kept:
            pk, resource = int(one["metadata"]["labels"][DELIVERY]), one["data"]["resource"]
            before = Record.read(one["data"]["pods"])
            record = self._since(pk, resource, before)
            if record.says_more_than(before):
                self._keep(pk, resource, record)

    def card_seconds(self, wanted: Wanted, span: Span) -> int:
        self.watch()
        record = self._record_of(wanted.delivery)
        held = 0 if record is None else card_seconds(record.holdings.values(), span)
        return min(held, wanted.cards * span.seconds)

    def _since(self, pk: int, resource: str, record: Record) -> Record:
        path = f"{objects.namespace_path(pk)}/pods"
        if not record.version:
            return self._listed(path, resource, record)
        holdings, version = dict(record.holdings), record.version
        try:
            for event in self.api.since(path, record.version):
                pod = event["object"]
                version = pod["metadata"]["resourceVersion"]
                if event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                    holdings = seen(holdings, [pod], resource)
                if event["type"] == "DELETED":
                    holdings = ended(holdings, pod["metadata"]["uid"], self._deleted_at(pod))
        except ApiRefused as refusal:
            if refusal.status != GONE:
                raise
            return self._listed(path, resource, record)
        return Record(version, int(self.now()), holdings)

    def _listed(self, path: str, resource: str, record: Record) -> Record:
        """All that is there. What is not, and had no end, counts until it was seen last."""
        pods, version = self.api.items(path)
        holdings = seen(record.holdings, pods, resource)
        for uid in holdings.keys() - {pod["metadata"]["uid"] for pod in pods}:
            holdings = ended(holdings, uid, record.at)
        return Record(version, int(self.now()), holdings)

    def _deleted_at(self, pod: Mapping[str, Any]) -> int:
        told = pod["metadata"].get("deletionTimestamp")
        return min(int(self.now()), moment(told)) if told else int(self.now())

    def _record_of(self, pk: int) -> Record | None:
        found = self.api.get(f"{self._records()}/{objects.name_of(pk)}")
        return None if found is None else Record.read(found["data"]["pods"])

    def _keep(self, pk: int, resource: str, record: Record) -> None:
        made = objects.record(pk, record.text())
        made["data"]["resource"] = resource
        self.api.apply(f"{self._records()}/{objects.name_of(pk)}", made)

    def _records(self) -> str:
        return f"/api/v1/namespaces/{self.cluster.namespace}/configmaps"

    def _check_mine(self, pk: int) -> bool:
        """Whether its namespace is there; ``SiteProblem`` where that is somebody else's."""
        found = self.api.get(objects.namespace_path(pk))
        if found is None:
            return False
        if found["metadata"].get("labels", {}).get(MANAGED) != AGENT:
            raise SiteProblem(
                f"The namespace {objects.name_of(pk)} was not made by the agent, and it needs that name."
            )
        return True

    def _nodes(self, cards: Cards) -> dict[str, int]:
        """Cards of the nodes that are ready, by their names."""
        nodes, _ = self.api.items("/api/v1/nodes", cards.nodes)
        return {
            node["metadata"]["name"]: int(node["status"].get("allocatable", {}).get(cards.resource, "0"))
            for node in nodes
            if _is_ready(node)
        }

    def _held_by_others(self, pk: int, cards: Cards, nodes: set[str]) -> int:
        pods, _ = self.api.items("/api/v1/pods")
        return sum(
            cards_of(pod, cards.resource)
            for pod in pods
            if pod["spec"].get("nodeName") in nodes
            and pod.get("status", {}).get("phase") not in OVER
            and pod["metadata"]["namespace"] != objects.name_of(pk)
        )

    def _kubeconfig(self, namespace: str, token: str) -> dict[str, Any]:
        server = {"server": self.cluster.server, "certificate-authority-data": self.cluster.authority}
        context = {"cluster": "site", "user": BUYER, "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "site", "cluster": server}],
            "users": [{"name": BUYER, "user": {"token": token}}],
            "contexts": [{"name": namespace, "context": context}],
            "current-context": namespace,
        }


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"
