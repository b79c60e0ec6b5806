"""The driver of simulated sites does what every driver does; what it invents is plausible and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.driver import INVENTED, Cards, DemoDriver
from demo.duty_cycle import busy_seconds
from demo.exporter import DutyCycles, Leases
from demo.plants import Plant
from marketplace.agent.driver import Wanted
from marketplace.agent.errors import SiteProblem
from marketplace.agent.telemetry.collecting import Telemetry
from marketplace.agent.telemetry.store import Samples
from marketplace.agent.usage import Span
from tests.agent.contract import DiesAtOnce, DriverContract

MODELS = {
    "ascend-910b": Cards("64", tdp_w=400, peak_tflops={"fp16": "376"}, bandwidth_gb_s="1600"),
    "unknown": Cards("32"),
}
NINE = 1_772_442_000
HOUR = 3_600


@dataclass
class Simulated:
    folder: Path
    driver: DemoDriver
    now: int = NINE

    def snapshot(self) -> object:
        return {path.name: path.read_text() for path in self.folder.glob("*")}

    @contextmanager
    def dying_after(self, changes: int) -> Iterator[None]:
        alive, self.driver = self.driver, DiesAtOnce(self.driver, changes)  # type: ignore[assignment]
        yield
        self.driver = alive

    def people(self, wanted: Wanted) -> None: ...

    def people_end(self, wanted: Wanted) -> None: ...


@pytest.fixture
def site(tmp_path: Path) -> Simulated:
    folder = tmp_path / "cards"
    return Simulated(folder, DemoDriver(folder, "3", MODELS))


class TestDemoDriver(DriverContract):
    @pytest.fixture
    def site(self, site: Simulated) -> Simulated:
        return site


WANTED = Wanted(delivery=7, buyer=12, cards=8, model="ascend-910b", window=Span(NINE, NINE + 2 * HOUR))


def test_what_a_test_measures_is_plausible_the_same_each_time_and_marked(site: Simulated) -> None:
    site.driver.provide(WANTED)
    seen = site.driver.accept(WANTED)
    assert site.driver.accept(WANTED) == seen
    assert seen.evidence["note"] == INVENTED
    assert 0.5 * 376 < float(seen.probe["compute_tflops"]) < 376
    assert 0.5 * 1600 < float(seen.probe["bandwidth_gb_s"]) < 1600


def test_what_no_data_sheet_says_is_not_invented(site: Simulated, tmp_path: Path) -> None:
    bare = replace(WANTED, model="unknown")
    site.driver.provide(bare)
    assert set(site.driver.accept(bare).probe) == {"precision", "benchmarks"}
    told = telemetry_of(site, tmp_path, NINE + HOUR).of_delivery(7, Span(NINE, NINE + HOUR))
    assert set(told) == {"card-seconds.active", "utilisation.mean", "memory.mean"}


def test_cards_that_the_site_does_not_have_are_named(site: Simulated) -> None:
    with pytest.raises(SiteProblem, match="no cards of the model h800"):
        site.driver.provide(replace(WANTED, model="h800"))


def test_kept_cards_count_used_or_not_and_not_outside_of_their_time(site: Simulated) -> None:
    site.driver.provide(WANTED)
    assert site.driver.card_seconds(WANTED, Span(NINE, NINE + 600)) == 8 * 600
    assert site.driver.card_seconds(WANTED, Span(NINE - 60, NINE + 60)) == 8 * 60
    site.driver.remove(7)
    with pytest.raises(SiteProblem, match="D7 was removed"):
        site.driver.card_seconds(WANTED, Span(NINE, NINE + 600))


def telemetry_of(site: Simulated, folder: Path, *looks: int) -> Telemetry:
    samples = Samples.open(folder / "samples.sqlite3")
    telemetry = Telemetry([DutyCycles(site.driver)], Leases(site.driver), samples, look_back=6 * HOUR)
    assert [telemetry.collect(now) for now in looks] == [[]] * len(looks)
    return telemetry


@pytest.mark.parametrize("looks", [(NINE + HOUR + 90,), (NINE + 700, NINE + 2500, NINE + 2501, NINE + HOUR)])
def test_cards_are_as_busy_as_the_measured_ones_whenever_they_are_looked_at(
    site: Simulated, tmp_path: Path, looks: tuple[int, ...]
) -> None:
    site.driver.provide(WANTED)
    told = telemetry_of(site, tmp_path, *looks).of_delivery(7, Span(NINE, NINE + HOUR))
    start, end = (datetime.fromtimestamp(at, UTC) for at in (NINE, NINE + HOUR))
    active = sum(busy_seconds(f"7/{card}", start, end) for card in range(8))
    assert abs(told["card-seconds.active"] - active) <= 1
    assert told["utilisation.mean"] == pytest.approx(active / 8 / HOUR * 10_000, abs=1)
    least, most = 8 * 100, 8 * 400
    assert told["energy.wh"] == pytest.approx(least + (most - least) * active / 8 / HOUR, abs=1)
    assert 100 <= told["power.mean"] <= 400
    assert 0.05 * 64e9 / 2**20 < told["memory.mean"] < 64e9 / 2**20


def test_a_delivery_that_is_over_tells_nothing_of_the_time_after(site: Simulated, tmp_path: Path) -> None:
    site.driver.provide(WANTED)
    telemetry = telemetry_of(site, tmp_path, NINE + 3 * HOUR)
    assert telemetry.of_delivery(7, Span(NINE + 2 * HOUR + 120, NINE + 3 * HOUR)) == {}


@pytest.mark.parametrize(
    ("plant", "least", "most"), [(Plant.MINING, 0.98, 1.0), (Plant.LYING_METER, 0.0, 0.9)]
)
def test_cheats_change_what_their_cards_show(
    site: Simulated, tmp_path: Path, plant: Plant, least: float, most: float
) -> None:
    honest = telemetry_of(site, tmp_path)
    site.driver.provide(WANTED)
    honest.collect(NINE + HOUR)
    truth = honest.of_delivery(7, Span(NINE, NINE + HOUR))
    site.driver = replace(site.driver, plant=plant)
    (tmp_path / "cheat").mkdir()
    told = telemetry_of(site, tmp_path / "cheat", NINE + HOUR).of_delivery(7, Span(NINE, NINE + HOUR))
    assert told["energy.wh"] > truth["energy.wh"] * 1.07
    assert least <= told["card-seconds.active"] / (8 * HOUR) <= most


def test_cards_that_are_not_there_are_missed_by_the_test(site: Simulated) -> None:
    site.driver = replace(site.driver, plant=Plant.NOT_THERE)
    large = replace(WANTED, cards=24)
    site.driver.provide(large)
    assert (site.driver.accept(large).cards_visible, site.driver.accept(large).passed) == (16, False)


def test_a_torn_file_is_none(site: Simulated) -> None:
    site.driver.provide(WANTED)
    (site.folder / "7.json").write_text(json.dumps({"delivery": 7})[:-3])
    assert site.driver.present() == frozenset()
    site.driver.provide(WANTED)
    assert site.driver.present() == {7}
