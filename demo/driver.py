"""The driver `demo`: a scheduler that is a folder of small files, one for each delivery that was set up.

The agent above it is the real one. What a site would measure of its cards is invented here, and says so in
the evidence of each test: compute and bandwidth are the data sheet's, less what a short probe does not reach,
a little different for each site and model, and always the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from demo.draw import between, chance
from demo.http import read_json, write_json
from demo.plants import Plant, shown
from marketplace.agent.acceptance import FORMAT, acceptance_of, read_probe
from marketplace.agent.driver import Acceptance, Wanted
from marketplace.agent.errors import SiteProblem
from marketplace.agent.usage import Span

INVENTED = "Invented by the demo: no card was measured."
PRECISIONS = ("bf16", "fp16")
REACHED = {"compute_tflops": ("0.55", "0.78", "0.70"), "bandwidth_gb_s": ("0.75", "0.93", "0.88")}
"""Shares of the data sheet that a short probe reaches: least, most, usual. An assumption."""


@dataclass(frozen=True, slots=True)
class Cards:
    """What the site's people know of their cards of a model, which is its data sheet. Unknown is None."""

    memory_gb: str
    tdp_w: int | None = None
    peak_tflops: Mapping[str, str] = field(default_factory=dict)
    bandwidth_gb_s: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Cards that are kept for a delivery, from ``since`` up to ``until``."""

    delivery: int
    buyer: int
    cards: int
    model: str
    since: int
    until: int
    open: bool

    @classmethod
    def of(cls, wanted: Wanted) -> Self:
        window = wanted.window
        return cls(
            *(wanted.delivery, wanted.buyer, wanted.cards, wanted.model),
            *(window.since, window.until, wanted.open),
        )


@dataclass(frozen=True, slots=True)
class DemoDriver:
    """``models`` are the cards of the site, by the exchange's names. A ``plant`` cheats."""

    folder: Path
    site: str
    models: Mapping[str, Cards]
    plant: Plant | None = None

    def present(self) -> frozenset[int]:
        return frozenset(lease.delivery for lease in self.leases())

    def leases(self) -> list[Lease]:
        kept = (read_json(path) for path in sorted(self.folder.glob("*.json")))
        return [Lease(**lease) for lease in kept if lease is not None]

    def provide(self, wanted: Wanted) -> None:
        self.cards_of(wanted.model)
        lease = Lease.of(wanted)
        if self._lease(wanted.delivery) != lease:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self._path(wanted.delivery), asdict(lease))

    def accept(self, wanted: Wanted) -> Acceptance:
        lease = self._lease(wanted.delivery)
        seen = 0 if lease is None else shown(self.plant, lease.cards)
        probe = read_probe(self._probe(wanted.model, seen))
        evidence = {"driver": "demo", "note": INVENTED}
        return acceptance_of(probe, wanted, card_name=wanted.model, evidence=evidence)

    def visible(self, wanted: Wanted) -> int:
        lease = self._lease(wanted.delivery)
        return 0 if lease is None else min(lease.cards, wanted.cards)

    def access(self, wanted: Wanted) -> Mapping[str, str]:
        return {
            "login": f"ssh ch-b{wanted.buyer}@login.site-{self.site}.example",
            "qos": f"ch-d{wanted.delivery}",
            "note": INVENTED,
        }

    def stop(self, delivery: int) -> bool:  # noqa: ARG002 nothing runs here that would have to end
        return True

    def remove(self, delivery: int) -> None:
        self._path(delivery).unlink(missing_ok=True)

    def watch(self) -> None: ...

    def card_seconds(self, wanted: Wanted, span: Span) -> int:
        """Cards are kept for the buyer and count, used or not, as in a scheduler's reservation."""
        lease = self._lease(wanted.delivery)
        if lease is None:
            raise SiteProblem(f"D{wanted.delivery} was removed: nobody knows any more what it had.")
        return min(lease.cards, wanted.cards) * span.common(Span(lease.since, lease.until)).seconds

    def cards_of(self, model: str) -> Cards:
        if model not in self.models:
            raise SiteProblem(f"Site {self.site} has no cards of the model {model}.")
        return self.models[model]

    def _probe(self, model: str, cards: int) -> str:
        """What `cardhour-probe` would print."""
        known = self.cards_of(model)
        precision = next((one for one in PRECISIONS if one in known.peak_tflops), "")
        sheet = {"compute_tflops": known.peak_tflops.get(precision), "bandwidth_gb_s": known.bandwidth_gb_s}
        figures = {name: self._reached(model, name, peak) for name, peak in sheet.items() if peak is not None}
        card = partial(_card, model, known.memory_gb, self.site)
        seen = [card(index) for index in range(cards)]
        return json.dumps({"format": FORMAT, "cards": seen, "precision": precision, **figures})

    def _reached(self, model: str, figure: str, peak: str) -> float:
        share = between(chance("probe", self.site, model, figure), *REACHED[figure])
        return round(float(peak) * float(share), 1)

    def _lease(self, delivery: int) -> Lease | None:
        kept = read_json(self._path(delivery))
        return None if kept is None else Lease(**kept)

    def _path(self, delivery: int) -> Path:
        return self.folder / f"{delivery}.json"


def _card(model: str, memory_gb: str, site: str, index: int) -> dict[str, Any]:
    return {"name": model, "memory_gb": float(memory_gb), "uuid": f"DEMO-{site}-{model}-{index}"}
