"""A snapshot made ready for clearing: its offers as columns, what may use what, and everybody's turn."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from marketplace.engine import columns
from marketplace.engine.codec import digest
from marketplace.engine.columns import Bytes, Demand, Supply
from marketplace.engine.eligibility import Eligibility
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.snapshot import Snapshot
from marketplace.engine.want import Want, bases, wants


class Market:
    """A market, or a part of one.

    ``snapshot`` is canonical. ``seed`` is the digest of the whole snapshot: all chance and all ties between
    orders depend on it and on nothing else.
    """

    def __init__(self, snapshot: Snapshot, seed: str) -> None:
        self.snapshot, self.seed = snapshot, seed
        self.facts = Facts(snapshot)
        self.eligibility = Eligibility(self.facts)
        worth = bases(snapshot)
        self.wanted: dict[int, list[Want]] = {
            request.id: list(wants(request, worth)) for request in snapshot.requests
        }

    @cached_property
    def supplied(self) -> Supply:
        return columns.supply(self.facts, [want for own in self.wanted.values() for want in own])

    @cached_property
    def demanded(self) -> Demand:
        wanted = list(self.wanted.values())
        profiles = [self.eligibility.profile(want) for own in wanted for want in own]
        return columns.demand(self.facts, wanted, np.array(profiles, dtype=np.int64))

    def bits(self) -> Bytes:
        """By profile one bit an offer: whether it may be used. For the profiles that ``demanded`` has."""
        return self.eligibility.bits()

    @cached_property
    def ranks(self) -> Ints:
        """The place of each request by time of entry, and then by a hash that nobody can aim for."""
        requests = self.snapshot.requests
        turns = [(each.entered, digest(f"{self.seed}:{each.id}".encode())) for each in requests]
        ranks = np.empty(len(requests), dtype=np.int64)
        ranks[sorted(range(len(requests)), key=turns.__getitem__)] = np.arange(len(requests))
        return ranks
