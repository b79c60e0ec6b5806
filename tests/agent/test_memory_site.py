"""The site that stands for a scheduler in other tests does what a driver does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from marketplace.agent.driver import Wanted
from tests.agent.contract import DiesAtOnce, DriverContract
from tests.agent.memory_site import MemorySite


@dataclass
class InMemory:
    driver: MemorySite = field(default_factory=MemorySite)
    now: int = 1_772_442_000

    def snapshot(self) -> object:
        return dict(self.driver.provided)

    @contextmanager
    def dying_after(self, changes: int) -> Iterator[None]:
        alive, self.driver = self.driver, DiesAtOnce(self.driver, changes)  # type: ignore[assignment]
        yield
        self.driver = alive

    def people(self, wanted: Wanted) -> None: ...

    def people_end(self, wanted: Wanted) -> None: ...


class TestMemorySite(DriverContract):
    @pytest.fixture
    def site(self) -> InMemory:
        return InMemory()
