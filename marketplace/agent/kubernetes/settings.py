"""What the agent has to be told about a Kubernetes cluster, from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from marketplace.agent.errors import SiteProblem


@dataclass(frozen=True, slots=True)
class Cards:
    """``resource`` is what a pod asks for, such as nvidia.com/gpu; ``nodes`` selects the nodes that have the
    cards of this model, by their labels."""

    resource: str
    nodes: str
    memory_gb: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """``server`` and ``authority`` are what buyers connect to. ``namespace`` is the agent's own."""

    models: Mapping[str, Cards]
    server: str
    authority: str
    namespace: str

    def cards(self, model: str) -> Cards:
        if model not in self.models:
            raise SiteProblem(
                f"The configuration does not say which cards “{model}” are: add [kubernetes.models.{model}] "
                "with resource, nodes and memory_gb."
            )
        return self.models[model]
