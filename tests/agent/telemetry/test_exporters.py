"""What pages of exporters say of cards: each figure that is told, and none that is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.agent.errors import SiteProblem, Unreadable
from marketplace.agent.telemetry.collecting import Telemetry
from marketplace.agent.telemetry.holders import Configured, cards_of_job, hosts, numbers
from marketplace.agent.telemetry.hours import quantities
from marketplace.agent.telemetry.samples import Card, Figures, Sample
from marketplace.agent.telemetry.sources import Exporter
from marketplace.agent.telemetry.store import IDLE, Samples
from marketplace.agent.usage import Span
from tests.agent.telemetry.exporter import RECORDED, Serving, serving

NOW = 1_700_000_000
HOUR = Span(NOW, NOW + 3_600)
CARD = Card("n1", "0")


@pytest.fixture
def exporter() -> Iterator[Serving]:
    with serving((RECORDED / "dcgm.txt").read_text()) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Samples]:
    samples = Samples.open(tmp_path / "samples.sqlite3")
    yield samples
    samples.close()


def seen(exporter: Serving, page: str) -> dict[str, Figures]:
    exporter.text = (RECORDED / page).read_text()
    source = Exporter(f"http://{exporter.address}/metrics", node="n7")
    samples = source.samples(since=0, now=NOW)
    assert {sample.at for sample in samples} == {NOW}
    return {str(sample.card): sample.figures for sample in samples}


def test_dcgm_exporter(exporter: Serving) -> None:
    """A card without a utilisation has none, an empty one has no memory in use; a slice is no card."""
    assert seen(exporter, "dcgm.txt") == {
        "n1/0": Figures(93, 71_522, 642.318, pytest.approx(1_293_872_301.442)),
        "n1/1": Figures(None, 0, 71.5, pytest.approx(403_872_301.442)),
    }


def test_npu_exporter_and_amds(exporter: Serving) -> None:
    """Huawei's says neither its node nor energy, and the time in milliseconds; AMD's says its node."""
    assert seen(exporter, "npu.txt") == {
        "n7/0": Figures(88, 52_311, 301.2, None),
        "n7/1": Figures(0, 3_341, 90.4, None),
    }
    assert seen(exporter, "amd.txt") == {"n9/3": Figures(64, 150_218, 512, None)}


@pytest.mark.parametrize(
    "line",
    [
        'DCGM_FI_DEV_GPU_UTIL{gpu="0"} NaN',
        'DCGM_FI_DEV_GPU_UTIL{gpu="0"} -1',
        'DCGM_FI_DEV_GPU_UTIL{gpu="0"} +Inf',
        "DCGM_FI_DEV_GPU_UTIL 12",
        'node_load1{gpu="0"} 3',
    ],
)
def test_what_is_no_measurement_is_absent(exporter: Serving, line: str) -> None:
    exporter.text = f"{line}\n"
    assert Exporter(f"http://{exporter.address}", node="n1").samples(since=0, now=NOW) == []


def test_an_exporter_that_is_away_is_a_line_and_no_more(exporter: Serving, store: Samples) -> None:
    exporter.text = ""
    broken = Exporter(f"http://{exporter.address}", node="n1")
    gone = Exporter("http://127.0.0.1:1", node="n2")
    problems = Telemetry([broken, gone], Configured({}), store).collect(NOW)
    assert ["answers 503" in problems[0], "does not answer" in problems[1]] == [True, True]
    assert quantities(store.of(IDLE, HOUR), HOUR) == {}
    exporter.text = "<html>no metrics</html>"
    with pytest.raises(Unreadable, match="not Prometheus's text format"):
        broken.samples(since=0, now=NOW)


def test_cards_are_reported_with_who_holds_them_and_idle_ones_by_themselves(
    exporter: Serving, store: Samples
) -> None:
    telemetry = Telemetry([Exporter(f"http://{exporter.address}", "n1")], Configured({CARD: 7}), store)
    for at in range(NOW, NOW + 3_600, 60):
        assert telemetry.collect(at) == []
    told = telemetry.of_delivery(7, HOUR)
    assert told == {
        "card-seconds.active": 3_348,
        "utilisation.mean": 9_300,
        "memory.mean": 71_522,
        "power.mean": 642,
        "energy.wh": 0,  # its counter stood still
    }
    assert telemetry.of_idle_cards(HOUR) == {"n1/1": {"memory.mean": 0, "power.mean": 72, "energy.wh": 0}}
    assert telemetry.of_delivery(8, HOUR) == {}


def series(*told: tuple[int, Figures]) -> dict[Card, list[Sample]]:
    return {CARD: [Sample(CARD, NOW + at, figures) for at, figures in told]}


def test_a_counter_of_energy_that_was_reset_counts_on() -> None:
    cards = series(
        (-60, Figures(energy=1_000)), (60, Figures(energy=37_000)), (120, Figures(energy=3_600)),
        (180, Figures(energy=7_200)),
    )  # fmt: skip
    assert quantities(cards, HOUR) == {"energy.wh": (36_000 + 3_600 + 3_600) // 3_600}


def test_without_a_counter_energy_is_power_and_time() -> None:
    cards = series(*((at, Figures(power=360)) for at in range(0, 3_600, 60)))
    assert quantities(cards, HOUR) == {"power.mean": 360, "energy.wh": 360}


def test_while_an_exporter_was_away_nothing_is_known_and_nothing_counted() -> None:
    cards = series(
        (0, Figures(utilisation=100)), (60, Figures(utilisation=100)), (3_540, Figures(utilisation=0))
    )
    assert quantities(cards, HOUR) == {"card-seconds.active": 180, "utilisation.mean": 7_500}


def test_an_hour_begins_with_what_was_seen_just_before_it() -> None:
    cards = series((-30, Figures(utilisation=100)), (30, Figures(utilisation=0)))
    assert quantities(cards, HOUR)["card-seconds.active"] == 30


JOB = (
    "JobId=12 JobName=train UserId=nobody(65534) Account=ch-b12 QOS=ch-d7 JobState={state} Reason=None "
    "NodeList=n[1-2] NumNodes=2 TRES=cpu=4,gres/gpu=3 JOB_GRES=gpu:ascend910b:3 "
    "  Nodes=n1 CPU_IDs=0-1 Mem=0 GRES=gpu:ascend910b:2(IDX:0,3) "
    "  Nodes=n2 CPU_IDs=0 Mem=0 GRES=gpu:ascend910b:1(IDX:5) MinCPUsNode=1"
)


def test_slurm_says_which_job_has_which_card() -> None:
    held = {str(card): delivery for card, delivery in cards_of_job(JOB.format(state="RUNNING"))}
    assert held == {"n1/0": 7, "n1/3": 7, "n2/5": 7}
    assert list(cards_of_job(JOB.format(state="SUSPENDED"))) == []
    assert list(cards_of_job(JOB.format(state="RUNNING").replace("ch-d7", "normal"))) == []
    assert hosts("n[08-10,12]-ib,login") == ["n08-ib", "n09-ib", "n10-ib", "n12-ib", "login"]
    assert numbers("0-1,3") == [0, 1, 3]
    with pytest.raises(SiteProblem, match="no indices"):
        numbers("1-2-3")
