"""Rating's tables: runs and charges, and what parties dispute."""

from billing.rating.models.charges import (
    OF_MONTHS,
    Charge,
    Cover,
    MonthSettlement,
    ParkedUsage,
    RatedUntil,
    RatingRun,
    ServiceLevel,
)
from billing.rating.models.disputes import Dispute, DisputedSlot, DisputeEntry, UsageReport

__all__ = [
    "OF_MONTHS",
    "Charge",
    "Cover",
    "Dispute",
    "DisputeEntry",
    "DisputedSlot",
    "MonthSettlement",
    "ParkedUsage",
    "RatedUntil",
    "RatingRun",
    "ServiceLevel",
    "UsageReport",
]
