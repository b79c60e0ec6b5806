"""What every driver does, whatever the scheduler. A driver's tests inherit this and give it a site."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

import pytest

from marketplace.agent.driver import Driver, Wanted
from marketplace.agent.usage import Span


class Killed(BaseException):
    """The agent's process is gone: nothing catches this."""


class DiesAtOnce:
    """A driver each of whose steps is one change: killed after the first, if it is to be killed after one."""

    def __init__(self, driver: Driver, changes: int) -> None:
        self.driver, self.left = driver, changes

    def provide(self, wanted: Wanted) -> None:
        self.driver.provide(wanted)
        self.die()

    def remove(self, delivery: int) -> None:
        self.driver.remove(delivery)
        self.die()

    def stop(self, delivery: int) -> bool:
        return self.driver.stop(delivery)

    def die(self) -> None:
        if self.left == 1:
            raise Killed


class Site(Protocol):
    driver: Driver
    now: int

    def snapshot(self) -> object:
        """Everything that the scheduler knows."""

    def people(self, wanted: Wanted) -> None:
        """What people do where the driver needs them; nothing elsewhere."""

    def people_end(self, wanted: Wanted) -> None:
        """What they do at the end."""

    def dying_after(self, changes: int) -> AbstractContextManager[None]:
        """Inside, the driver's process is ``Killed`` when it has made so many changes at the site."""


class DriverContract:
    @pytest.fixture
    def wanted(self, site: Site) -> Wanted:
        return Wanted(
            delivery=7, buyer=12, cards=8, model="ascend-910b", window=Span(site.now, site.now + 7200)
        )

    @pytest.fixture
    def other(self, wanted: Wanted) -> Wanted:
        """Another one of the same buyer, of a part of a node."""
        return replace(wanted, delivery=9, cards=2)

    def provide(self, site: Site, *wanted: Wanted) -> None:
        for one in wanted:
            site.driver.provide(one)
            site.people(one)

    def end(self, site: Site, *wanted: Wanted) -> None:
        for one in wanted:
            site.people_end(one)
            assert site.driver.stop(one.delivery)
            site.driver.remove(one.delivery)

    def test_nothing_is_there_before_anything_was_provided(self, site: Site) -> None:
        assert site.driver.present() == frozenset()

    def test_what_was_provided_passes_acceptance(self, site: Site, wanted: Wanted, other: Wanted) -> None:
        self.provide(site, wanted, other)
        assert site.driver.present() == {7, 9}
        for one in (wanted, other):
            seen = site.driver.accept(one)
            assert (seen.passed, seen.cards_visible, seen.model) == (True, one.cards, "ascend-910b")
            assert float(seen.memory_gb) == 64

    def test_providing_again_changes_nothing(self, site: Site, wanted: Wanted, other: Wanted) -> None:
        self.provide(site, wanted, other)
        before = site.snapshot()
        for one in (wanted, other):
            site.driver.provide(one)
        assert site.snapshot() == before

    def test_the_end_removes_what_was_made_and_nothing_else(
        self, site: Site, wanted: Wanted, other: Wanted
    ) -> None:
        empty = site.snapshot()
        self.provide(site, other)
        only_other = site.snapshot()
        self.provide(site, wanted)
        self.end(site, wanted)
        assert site.driver.present() == {9}
        assert site.snapshot() == only_other
        self.end(site, other)
        assert site.snapshot() == empty

    def test_the_end_may_be_repeated(self, site: Site, wanted: Wanted) -> None:
        self.provide(site, wanted)
        self.end(site, wanted)
        assert site.driver.stop(wanted.delivery)
        site.driver.remove(wanted.delivery)
        assert site.driver.present() == frozenset()

    def test_a_delivery_is_resized(self, site: Site, wanted: Wanted) -> None:
        self.provide(site, wanted)
        larger = replace(wanted, cards=16)
        self.provide(site, larger)
        assert site.driver.accept(larger).cards_visible == 16
        assert site.driver.present() == {7}

    def test_more_than_was_sold_is_never_reported(self, site: Site, wanted: Wanted) -> None:
        self.provide(site, wanted)
        span = Span(site.now - 600, site.now)
        assert 0 <= site.driver.card_seconds(wanted, span) <= 8 * 600

    @pytest.mark.parametrize("step", ["provide", "stop", "remove"])
    def test_killed_after_any_change_it_converges_and_leaves_nothing(
        self, site: Site, wanted: Wanted, step: str
    ) -> None:
        """For each change that a step makes: killed right after it, and started again."""
        empty = site.snapshot()
        self.provide(site, wanted)
        whole = site.snapshot()
        self.end(site, wanted)
        for changes in range(1, 50):
            if step != "provide":
                self.provide(site, wanted)
            if not self.is_killed(site, wanted, step, changes):
                break
            if step == "provide":
                self.provide(site, wanted)
                assert site.snapshot() == whole, changes
            self.end(site, wanted)
            assert (site.snapshot(), site.driver.present()) == (empty, frozenset()), changes
        assert changes > 1 or step == "stop"
        self.end(site, wanted)
        assert site.snapshot() == empty

    def is_killed(self, site: Site, wanted: Wanted, step: str, changes: int) -> bool:
        """Whether the step makes so many changes."""
        if step != "provide":
            site.people_end(wanted)
        with site.dying_after(changes):
            try:
                if step == "provide":
                    site.driver.provide(wanted)
                else:
                    getattr(site.driver, step)(wanted.delivery)
            except Killed:
                return True
        return False
