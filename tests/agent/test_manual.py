"""Cards that people hand over: the agent asks, waits and records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

import pytest

from marketplace.agent.driver import Wanted
from marketplace.agent.errors import SiteProblem
from marketplace.agent.manual import ManualDriver
from marketplace.agent.usage import Span
from tests.agent.contract import DiesAtOnce, DriverContract

NOW = 1_772_442_000


@dataclass
class ManualSite:
    driver: ManualDriver
    now: int = NOW

    def snapshot(self) -> object:
        return {path.name: path.read_text() for path in self.driver.folder.glob("*")}

    @contextmanager
    def dying_after(self, changes: int) -> Iterator[None]:
        alive, self.driver = self.driver, DiesAtOnce(self.driver, changes)  # type: ignore[assignment]
        yield
        self.driver = alive

    def people(self, wanted: Wanted) -> None:
        self.driver.hand_over(wanted.delivery, wanted.cards, at=self.now)

    def people_end(self, wanted: Wanted) -> None:
        if wanted.delivery in self.driver.present():
            self.driver.take_back(wanted.delivery, at=self.now)


@pytest.fixture
def site(tmp_path: Path) -> ManualSite:
    return ManualSite(ManualDriver(tmp_path / "handovers", {"ascend-910b": "64"}.__getitem__))


class TestManual(DriverContract):
    def test_nothing_is_accepted_before_people_say_so(self, site: ManualSite, wanted: Wanted) -> None:
        site.driver.provide(wanted)
        with pytest.raises(SiteProblem, match=r"`cardhour-agent handed-over 7 8`\. It has 0"):
            site.driver.accept(wanted)

    def test_nothing_is_over_before_people_say_so(self, site: ManualSite, wanted: Wanted) -> None:
        self.provide(site, wanted)
        with pytest.raises(SiteProblem, match="`cardhour-agent taken-back 7`"):
            site.driver.stop(7)

    def test_what_the_buyer_had_is_counted_from_hand_to_hand(self, site: ManualSite, wanted: Wanted) -> None:
        site.driver.provide(wanted)
        site.driver.hand_over(7, 4, at=NOW + 100)
        site.driver.hand_over(7, 8, at=NOW + 200)
        site.driver.take_back(7, at=NOW + 500)
        assert site.driver.card_seconds(wanted, Span(NOW, NOW + 3600)) == 4 * 100 + 8 * 300
        assert site.driver.card_seconds(wanted, Span(NOW + 150, NOW + 210)) == 4 * 50 + 8 * 10

    def test_what_nobody_asked_for_is_not_handed_over(self, site: ManualSite) -> None:
        with pytest.raises(SiteProblem, match="Nobody asked for D8"):
            site.driver.hand_over(8, 1, at=NOW)

    @pytest.mark.parametrize("cards", [0, -3])
    def test_no_less_than_a_card_is_handed_over(self, site: ManualSite, wanted: Wanted, cards: int) -> None:
        site.driver.provide(wanted)
        with pytest.raises(SiteProblem, match=f"{cards} cards cannot be handed over"):
            site.driver.hand_over(wanted.delivery, cards, at=NOW)

    def test_a_copy_that_somebody_keeps_is_no_delivery(self, site: ManualSite, wanted: Wanted) -> None:
        site.driver.provide(wanted)
        for name in ("7.before.json", "70 (copy).json"):
            (site.driver.folder / name).write_text("{}")
        assert site.driver.present() == {wanted.delivery}

    def test_what_people_say_while_the_agent_writes_is_not_lost(
        self, site: ManualSite, wanted: Wanted
    ) -> None:
        """Both change one file. Without the lock one of them would write what it had read before."""
        site.driver.provide(wanted)

        def resize() -> None:
            for cards in range(1, 30):
                site.driver.provide(replace(wanted, cards=cards))

        agent = Thread(target=resize)
        agent.start()
        for number in range(30):
            site.driver.hand_over(7, 1 + number % 2, at=NOW + number)
        agent.join()
        [kept] = site.driver.folder.glob("7.json")
        told = json.loads(kept.read_text())
        assert (len(told["holdings"]), told["cards"]) == (30, 29)

    def test_a_folder_that_cannot_be_written_is_a_problem_and_no_end(
        self, site: ManualSite, wanted: Wanted
    ) -> None:
        site.driver.folder.parent.mkdir(parents=True, exist_ok=True)
        site.driver.folder.write_text("a file is in the way")
        with pytest.raises(SiteProblem, match="cannot be written"):
            site.driver.provide(wanted)

    def test_a_file_that_is_no_text_is_a_problem_and_no_end(self, site: ManualSite, wanted: Wanted) -> None:
        site.driver.provide(wanted)
        (site.driver.folder / "7.json").write_bytes(b"\xff\xfe")
        with pytest.raises(SiteProblem, match="cannot be read"):
            site.driver.visible(wanted)
