"""A worker that is killed with SIGKILL in the middle of a run leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from marketplace.agreements.models import Agreement
from marketplace.clearing.models import Allocation, ClearingPrice, Explanation, MarketRun
from marketplace.demand.models import ComputeRequest
from tests.clearing.market import make_market, run
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = Path(__file__).parent / "worker.py"


def start_worker(stop_at: str) -> subprocess.Popen[str]:
    """A process that runs the market and stands still, saying so, when it comes to ``stop_at``."""
    database = connection.settings_dict
    server = quote(database["HOST"], safe="") + (f":{database['PORT']}" if database["PORT"] else "")
    user = quote(database["USER"]) + (f":{quote(database['PASSWORD'])}" if database["PASSWORD"] else "")
    url = f"postgresql://{user}@{server}/{database['NAME']}"
    return subprocess.Popen(
        [sys.executable, str(WORKER), stop_at, NOW.isoformat()],
        env=os.environ | {"DATABASE_URL": url, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_at(stop_at: str) -> None:
    worker = start_worker(stop_at)
    assert worker.stdout is not None
    with worker.stdout:
        assert worker.stdout.readline().strip() == stop_at
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=10)


@pytest.mark.parametrize("stop_at", ["take_snapshot", "compute", "commit", "conclude"])
def test_a_killed_worker_leaves_nothing_and_the_next_one_completes_the_run(stop_at: str) -> None:
    make_market()
    kill_at(stop_at)
    under_way = MarketRun.objects.get()
    assert under_way.state in {MarketRun.State.OPEN, MarketRun.State.SNAPSHOTTED}
    for model in (Allocation, Agreement, ClearingPrice, Explanation):
        assert not model.objects.exists()
    assert ComputeRequest.objects.get().state == ComputeRequest.State.OPEN

    done = run()
    assert (done.pk, done.state) == (under_way.pk, MarketRun.State.COMMITTED)
    assert Agreement.objects.count() == 1
