"""What the agent has to be told about a cluster, from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from marketplace.agent.errors import SiteProblem


@dataclass(frozen=True, slots=True)
class Cards:
    """How the cluster names the cards of one model: ``gpu:ascend910b``, and the partition that has them.
    ``card_name`` is part of the name that the cards give themselves."""

    gres: str
    partition: str
    memory_gb: str
    card_name: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """The command of the acceptance test. It runs as ``user``, the agent's own, once for each card."""

    command: tuple[str, ...]
    user: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """``users`` are the login names of each buyer's people at the site, by the buyer's number. ``access`` is
    what these people are told: where to log in, and how."""

    models: Mapping[str, Cards]
    users: Mapping[int, tuple[str, ...]]
    probe: Probe | None = None
    access: str = ""

    def cards(self, model: str) -> Cards:
        if model not in self.models:
            raise SiteProblem(
                f"The configuration does not say which cards “{model}” are: add [slurm.models.{model}] with "
                "gres, partition and memory_gb."
            )
        return self.models[model]

    def users_of(self, buyer: int) -> tuple[str, ...]:
        if not self.users.get(buyer):
            raise SiteProblem(
                f"Organisation {buyer} has no users at this site: add them under [slurm.users] as "
                f'"{buyer}" = ["login", …].'
            )
        return self.users[buyer]
