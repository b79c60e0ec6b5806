"""Seeded markets for the benchmarks: the same size, regime and seed give the same bytes.

Requests are drawn first. Then every offer gets as many nodes as make the market as scarce as its regime
says; which offers there are and what they ask does not depend on the regime's scarcity.
"""

from __future__ import annotations

from benchmarks.engine import demand, scarcity, supply
from benchmarks.engine.calibration import calibration
from benchmarks.engine.instances import DEMAND_PER_SUPPLY, Regime, Size
from marketplace.engine import SNAPSHOT_FORMAT, Snapshot

HORIZON_START = "2026-11-02T00:00:00+00:00"


def generate(size: Size, regime: Regime, seed: int) -> Snapshot:
    """A market of ``size``; raises ``ValueError`` if it cannot be made as scarce as the regime says."""
    known = calibration()
    label = f"benchmark:{size.requests}:{size.offers}:{size.slots}:{seed}"
    requests = demand.requests(known, size, regime, label)
    places = supply.sites(known, size, label)
    drafts = supply.drafts(known, size, places, label)
    cards = supply.Cards(tuple(known.models), drafts)
    scale = scarcity.scale_for(known.models, cards, requests, DEMAND_PER_SUPPLY[regime])
    return Snapshot(
        format=SNAPSHOT_FORMAT,
        horizon_start=HORIZON_START,
        slots=size.slots,
        base_currency="CNY",
        currencies=known.currencies,
        models=tuple(known.models.values()),
        sites=places,
        offers=tuple(draft.offer(scale) for draft in drafts),
        requests=requests,
    )
