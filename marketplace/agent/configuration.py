"""What a site tells its agent: one TOML file, whose mistakes are named."""

from __future__ import annotations

import getpass
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marketplace.agent.driver import Driver
from marketplace.agent.errors import SiteProblem
from marketplace.agent.identity import Identity
from marketplace.agent.kubernetes import configured as kubernetes
from marketplace.agent.manual import ManualDriver
from marketplace.agent.slurm.commands import Commands
from marketplace.agent.slurm.driver import SlurmDriver
from marketplace.agent.slurm.settings import Cards, Cluster, Probe
from marketplace.agent.telemetry.holders import Configured, Holders, SlurmJobs
from marketplace.agent.telemetry.samples import Card
from marketplace.agent.telemetry.sources import Exporter, Prometheus, Source
from marketplace.agent.toml import table_of, text_of

DRIVERS = ("slurm", "kubernetes", "ssh-manual")
PROBE_SECONDS = 120
IDENTITY = "identity.json"


class BadConfiguration(SiteProblem):
    """Names the file, the entry and what it should be."""


@dataclass(frozen=True, slots=True)
class Configuration:
    state: Path
    driver: str
    own: Mapping[str, Any]
    telemetry: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Configuration:
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
            configuration = cls(
                state=Path(text_of(told, "state")),
                driver=text_of(told, "driver"),
                own=told.get(told["driver"], {}),
                telemetry=table_of(told, "telemetry"),
            )
            configuration.make_driver()
            configuration.sources()
        except (OSError, tomllib.TOMLDecodeError, SiteProblem) as error:
            raise BadConfiguration(f"{path}: {error}") from error
        return configuration

    @property
    def identity_file(self) -> Path:
        """What enrolling left: the address of the exchange, the key and the token."""
        return self.state / IDENTITY

    def identity(self) -> Identity:
        return Identity.read(self.identity_file)

    def make_driver(self) -> Driver:
        match self.driver:
            case "slurm":
                return SlurmDriver(self._cluster(), Commands(_texts(self.own, "environment")))
            case "kubernetes":
                return kubernetes.driver_of(self.own)
            case "ssh-manual":
                return self.manual()
            case _:
                raise SiteProblem(f"“driver” is “{self.driver}”; it is one of {', '.join(DRIVERS)}.")

    def sources(self) -> list[Source]:
        """Exporters and Prometheus servers, as [[telemetry.exporters]] and [[telemetry.prometheus]] say."""
        exporters = [
            Exporter(url=text_of(one, "url"), node=text_of(one, "node"))
            for one in _tables(self.telemetry, "exporters")
        ]
        servers = [
            Prometheus(url=text_of(one, "url"), nodes=_texts(one, "nodes"))
            for one in _tables(self.telemetry, "prometheus")
        ]
        return [*exporters, *servers]

    def holders(self) -> Holders:
        """In Slurm jobs say whose a card is; elsewhere [telemetry.cards] does: "node/index" = delivery."""
        if self.driver == "slurm":
            return SlurmJobs(Commands(_texts(self.own, "environment")))
        told = table_of(self.telemetry, "cards")
        cards = {Card(*_node_and_index(name)): _delivery(name, delivery) for name, delivery in told.items()}
        return Configured(cards)

    def manual(self) -> ManualDriver:
        if self.driver != "ssh-manual":
            raise SiteProblem(f"Nothing is handed over by hand here: the driver is {self.driver}.")
        return ManualDriver(self.state / "handovers", _Memory(_texts(self.own, "memory_gb")))

    def _cluster(self) -> Cluster:
        models = {
            model: Cards(
                gres=text_of(cards, "gres"),
                partition=text_of(cards, "partition"),
                memory_gb=text_of(cards, "memory_gb"),
                card_name=str(cards.get("card_name", "")),
            )
            for model, cards in table_of(self.own, "models").items()
        }
        users = {
            _number(buyer): tuple(str(login) for login in logins)
            for buyer, logins in table_of(self.own, "users").items()
        }
        return Cluster(models, users, self._probe(), str(self.own.get("access", "")))

    def _probe(self) -> Probe | None:
        """``probe`` is the command of the acceptance test, as a list of words."""
        command = self.own.get("probe", [])
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise SiteProblem('“probe” is no list of words, such as ["/usr/local/bin/cardhour-probe"].')
        seconds = self.own.get("probe_seconds", PROBE_SECONDS)
        return Probe(tuple(command), getpass.getuser(), int(seconds)) if command else None


@dataclass(frozen=True, slots=True)
class _Memory:
    told: Mapping[str, str]

    def __call__(self, model: str) -> str:
        if model not in self.told:
            raise SiteProblem(
                f"The configuration does not say what memory a card of “{model}” has: add it under "
                f'[ssh-manual.memory_gb] as {model} = "80".'
            )
        return self.told[model]


def _tables(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise SiteProblem(f"“{name}” is no list of tables: write [[telemetry.{name}]] above each.")
    return value


def _node_and_index(name: str) -> tuple[str, str]:
    node, slash, index = name.rpartition("/")
    if not slash or not node or not index:
        raise SiteProblem(f'“{name}” under [telemetry.cards] is no card: write "node/index".')
    return node, index


def _delivery(name: str, value: object) -> int:
    if type(value) is not int:
        raise SiteProblem(f"“{name}” under [telemetry.cards] is held by {value!r}, and no delivery's number.")
    return value


def _texts(table: Mapping[str, Any], name: str) -> dict[str, str]:
    return {key: str(value) for key, value in table_of(table, name).items()}


def _number(text: str) -> int:
    if not text.isdecimal():
        raise SiteProblem(f"“{text}” under [slurm.users] is no number of an organisation.")
    return int(text)
