"""Every detector there is, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketplace.audit.findings.detectors.base import Detector
from marketplace.audit.findings.detectors.capacity import NeverSeen, TwoPlaces
from marketplace.audit.findings.detectors.conduct import Concentration, Layering, WashOrders
from marketplace.audit.findings.detectors.dealing import (
    CircularTrade,
    LateCancellation,
    NeverCalledOff,
    OffPrice,
    RelatedParties,
)
from marketplace.audit.findings.detectors.meters import (
    ActiveButUnsold,
    BuyerDisagrees,
    CardsDoNotAddUp,
    EnergyAgainstPower,
    EnergyOffPeers,
    ImpossibleEnergy,
    SoldButInactive,
)
from marketplace.audit.findings.detectors.working import (
    ConstantLoad,
    Digits,
    RepeatedReadings,
    SameLoad,
    TooPerfect,
)

DETECTORS: Mapping[str, Detector[Any]] = {
    detector.name: detector
    for detector in (
        RelatedParties(),
        CircularTrade(),
        NeverCalledOff(),
        OffPrice(),
        LateCancellation(),
        ConstantLoad(),
        SameLoad(),
        RepeatedReadings(),
        TooPerfect(),
        Digits(),
        SoldButInactive(),
        ActiveButUnsold(),
        ImpossibleEnergy(),
        EnergyAgainstPower(),
        EnergyOffPeers(),
        BuyerDisagrees(),
        CardsDoNotAddUp(),
        NeverSeen(),
        TwoPlaces(),
        WashOrders(),
        Layering(),
        Concentration(),
    )
}
