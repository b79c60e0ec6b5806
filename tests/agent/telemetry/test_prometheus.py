"""A real Prometheus that scrapes recorded pages, and what the agent asks it for."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from marketplace.agent.errors import SiteProblem
from marketplace.agent.telemetry.samples import Figures
from marketplace.agent.telemetry.sources import Prometheus
from tests.agent.telemetry.exporter import RECORDED, Serving, serving

WITHIN = 60
CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - {{job_name: cards, honor_timestamps: false, static_configs: [{{targets: ["{dcgm}", "{npu}"]}}]}}
"""


@pytest.fixture(scope="module")
def exporters() -> Iterator[tuple[Serving, Serving]]:
    with (
        serving((RECORDED / "dcgm.txt").read_text()) as dcgm,
        serving((RECORDED / "npu.txt").read_text()) as npu,
    ):
        yield dcgm, npu


@pytest.fixture(scope="module")
def prometheus(exporters: tuple[Serving, Serving], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus is installed here: apt-get install prometheus")
    folder: Path = tmp_path_factory.mktemp("prometheus")
    dcgm, npu = (one.address for one in exporters)
    (folder / "prometheus.yml").write_text(CONFIGURATION.format(dcgm=dcgm, npu=npu))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            yield f"http://{address}"
        finally:
            process.terminate()


def test_what_a_prometheus_scraped_is_what_its_exporters_say(
    prometheus: str, exporters: tuple[Serving, Serving]
) -> None:
    source = Prometheus(prometheus, nodes={exporters[1].address: "n7"}, step=1)
    began, seen = int(time.time()), dict[str, set[Figures]]()
    until = time.monotonic() + WITHIN
    while len(seen) < 4 or not all(len(samples) == 1 and _whole(samples) for samples in seen.values()):
        assert time.monotonic() < until, seen
        time.sleep(0.5)
        try:
            now = int(time.time())
            newest = [one for one in source.samples(since=began, now=now) if one.at >= now - 1]
        except SiteProblem:
            continue  # it is starting
        seen = {}
        for one in newest:
            seen.setdefault(str(one.card), set()).add(one.figures)
    assert {card: figures for card, [figures] in seen.items()} == {
        "n1/0": Figures(93, 71_522, 642.318, pytest.approx(1_293_872_301.442)),
        "n1/1": Figures(None, 0, 71.5, pytest.approx(403_872_301.442)),
        "n7/0": Figures(88, 52_311, 301.2, None),
        "n7/1": Figures(0, 3_341, 90.4, None),
    }
    asked_again = source.samples(since=now - 3, now=now)
    assert {one.at for one in asked_again} <= set(range(now - 2, now + 1))
    assert source.samples(since=now, now=now) == []


def _whole(samples: set[Figures]) -> bool:
    return all(figures.power is not None for figures in samples)


def test_what_is_no_prometheus_is_named(exporters: tuple[Serving, Serving]) -> None:
    with pytest.raises(SiteProblem, match="does not answer"):
        Prometheus("http://127.0.0.1:1").samples(since=0, now=60)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"data": {}}))
    odd = Prometheus("http://odd", transport=transport)
    with pytest.raises(Exception, match="as a Prometheus does"):
        odd.samples(since=0, now=60)
