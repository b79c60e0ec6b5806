"""The Kubernetes driver against recorded shapes of the API: what it makes, meters, and takes away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from marketplace.agent.driver import Driver, Wanted
from marketplace.agent.errors import SiteProblem
from marketplace.agent.kubernetes.api import Api
from marketplace.agent.kubernetes.driver import KubernetesDriver
from marketplace.agent.kubernetes.settings import Cards, Cluster
from marketplace.agent.usage import Span
from tests.agent.contract import DriverContract
from tests.agent.kubernetes_api import KubernetesApi

RESOURCE = "huawei.com/Ascend910"
NOW = 1_772_442_000  # 2026-03-02T09:00:00Z
OWN = "/api/v1/namespaces/cardhour-agent"
CARDS = Cards(resource=RESOURCE, nodes="accelerator=ascend-910b", memory_gb="64")
CLUSTER = Cluster({"ascend-910b": CARDS}, "https://api.site", "Q0E=", "cardhour-agent")


def node(api: KubernetesApi, name: str, *, ready: str = "True", cards: int = 8) -> None:
    metadata = {"name": name, "labels": {"accelerator": "ascend-910b"}}
    conditions = [{"type": "Ready", "status": ready}]
    status = {"allocatable": {RESOURCE: str(cards)}, "conditions": conditions}
    api.put(f"/api/v1/nodes/{name}", {"metadata": metadata, "status": status})


def pod(
    cards: int, name: str, *, node: str | None = "n1", phase: str = "Running", **status: Any
) -> dict[str, Any]:
    container = {"name": "main", "resources": {"requests": {RESOURCE: str(cards)}}}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [container], "nodeName": node},
        "status": {"phase": phase} | status,
    }


@dataclass
class KubernetesSite:
    api: KubernetesApi = field(default_factory=KubernetesApi)
    now: int = NOW

    def __post_init__(self) -> None:
        self.api.put(OWN, {"metadata": {"name": "cardhour-agent"}})
        for name in ("n1", "n2"):
            node(self.api, name)

    @property
    def driver(self) -> Driver:
        """A new process each time: it knows nothing but the API."""
        return KubernetesDriver(CLUSTER, Api(self.api.client()), now=lambda: self.now)

    def snapshot(self) -> object:
        return {
            path: {name: one for name, one in made.items() if name != "metadata"}
            for path, made in self.api.objects.items()
        }

    @contextmanager
    def dying_after(self, changes: int) -> Iterator[None]:
        self.api.dies_at = self.api.changes + changes
        yield
        self.api.dies_at = -1

    def people(self, wanted: Wanted) -> None: ...

    def people_end(self, wanted: Wanted) -> None: ...

    def pod(self, delivery: int, name: str, cards: int, **facts: Any) -> None:
        self.api.put(f"/api/v1/namespaces/ch-d{delivery}/pods/{name}", pod(cards, name, **facts))

    def moment(self, seconds: int) -> str:
        return f"2026-03-02T09:{seconds // 60:02}:{seconds % 60:02}Z"


class TestKubernetes(DriverContract):
    @pytest.fixture
    def site(self) -> KubernetesSite:
        return KubernetesSite()

    def test_the_quota_is_what_was_sold_and_the_buyer_is_let_in_after_the_test(
        self, site: KubernetesSite, wanted: Wanted
    ) -> None:
        closed = replace(wanted, open=False)
        site.driver.provide(closed)
        made = site.api.objects
        quota = made["/api/v1/namespaces/ch-d7/resourcequotas/cardhour"]
        assert quota["spec"] == {"hard": {f"requests.{RESOURCE}": "8"}}
        assert made["/api/v1/namespaces/ch-d7"]["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "cardhour-agent",
            "cardhour.org/delivery": "7",
            "pod-security.kubernetes.io/enforce": "baseline",
        }
        bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/ch-d7/rolebindings/buyer"
        assert bindings not in made
        site.driver.provide(wanted)
        assert made[bindings]["subjects"][0]["namespace"] == "ch-d7"

    def test_a_kubeconfig_for_the_namespace_whose_token_ends(
        self, site: KubernetesSite, wanted: Wanted
    ) -> None:
        self.provide(site, wanted)
        told = site.driver.access(wanted)
        config = json.loads(told["kubeconfig"])
        assert config["users"] == [{"name": "buyer", "user": {"token": "a.b.c"}}]
        assert config["contexts"][0]["context"]["namespace"] == "ch-d7"
        assert config["clusters"][0]["cluster"]["server"] == "https://api.site"
        assert told["until"] == "2026-03-02T11:00:00Z"

    def test_a_namespace_of_somebody_else_is_left_alone(self, site: KubernetesSite, wanted: Wanted) -> None:
        site.api.put("/api/v1/namespaces/ch-d7", {"metadata": {"name": "ch-d7", "labels": {}}})
        before = site.snapshot()
        for act in (site.driver.provide, lambda one: site.driver.stop(one.delivery)):
            with pytest.raises(SiteProblem, match="not made by the agent"):
                act(wanted)
        with pytest.raises(SiteProblem):
            site.driver.remove(7)
        assert (site.snapshot(), site.driver.present()) == (before, frozenset())

    def test_cards_that_others_hold_or_that_are_not_ready_are_not_there(
        self, site: KubernetesSite, wanted: Wanted
    ) -> None:
        self.provide(site, wanted)
        site.pod(99, "theirs", 7, startTime=site.moment(0))
        site.pod(7, "mine", 8, startTime=site.moment(0))
        assert site.driver.accept(wanted).passed
        node(site.api, "n2", ready="False")
        seen = site.driver.accept(wanted)
        assert (seen.passed, seen.cards_visible, site.driver.visible(wanted)) == (False, 1, 8)
        node(site.api, "n1", ready="Unknown")
        assert site.driver.visible(wanted) == 0

    def test_usage_is_what_pods_were_given_for_as_long_as_they_had_it(
        self, site: KubernetesSite, other: Wanted
    ) -> None:
        """One that ends, one that is deleted between two looks, one that runs on, one that never began."""
        self.provide(site, other)
        site.driver.watch()
        site.pod(9, "one", 1, startTime=site.moment(10))
        done = [{"state": {"terminated": {"finishedAt": site.moment(40)}}}]
        site.pod(9, "one", 1, phase="Succeeded", startTime=site.moment(10), containerStatuses=done)
        site.pod(9, "two", 1, startTime=site.moment(100))
        site.api.drop("/api/v1/namespaces/ch-d9/pods/two", at=site.moment(160))
        site.pod(9, "three", 2, startTime=site.moment(200))
        site.pod(9, "four", 2, node=None, phase="Pending")
        site.now = NOW + 300
        assert site.driver.card_seconds(other, Span(NOW, NOW + 300)) == 30 + 60 + 2 * 100
        assert site.driver.card_seconds(other, Span(NOW + 20, NOW + 130)) == 20 + 30

    def test_what_was_written_down_survives_the_pods_and_the_agent(
        self, site: KubernetesSite, other: Wanted
    ) -> None:
        self.provide(site, other)
        site.pod(9, "one", 2, startTime=site.moment(0))
        site.now = NOW + 100
        site.driver.watch()
        site.api.drop("/api/v1/namespaces/ch-d9/pods/one")
        site.now = NOW + 110
        assert site.driver.card_seconds(other, Span(NOW, NOW + 300)) == 2 * 110
        site.now = NOW + 3000
        assert site.driver.card_seconds(other, Span(NOW, NOW + 300)) == 2 * 110

    def test_what_vanished_while_nobody_looked_counts_as_long_as_it_was_seen(
        self, site: KubernetesSite, other: Wanted
    ) -> None:
        """The API has forgotten what happened since: nobody is billed for what nobody saw."""
        self.provide(site, other)
        site.pod(9, "one", 2, startTime=site.moment(0))
        site.now = NOW + 100
        site.driver.watch()
        site.api.drop("/api/v1/namespaces/ch-d9/pods/one")
        site.api.forgotten, site.now = site.api.version, NOW + 2_000
        assert site.driver.card_seconds(other, Span(NOW, NOW + 3_000)) == 2 * 100

    def test_the_end_ends_pods_and_lets_none_begin(self, site: KubernetesSite, other: Wanted) -> None:
        self.provide(site, other)
        site.pod(9, "one", 2, startTime=site.moment(0))
        assert site.driver.stop(9)
        quota = site.api.objects["/api/v1/namespaces/ch-d9/resourcequotas/cardhour"]
        assert quota["spec"]["hard"] == {"pods": "0"}
        assert not [path for path in site.api.objects if "/pods/" in path or "rolebindings" in path]

    @pytest.mark.parametrize("answer", [(500, b"<html>"), (403, b'{"message": "forbidden"}')])
    def test_an_api_that_says_no_is_a_problem_in_words(self, answer: tuple[int, bytes]) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(answer[0], content=answer[1]))
        api = Api(httpx.Client(base_url="https://kubernetes", transport=transport))
        with pytest.raises(SiteProblem, match=str(answer[0])):
            KubernetesDriver(CLUSTER, api).present()
