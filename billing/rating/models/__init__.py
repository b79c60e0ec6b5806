"""Rating's tables: runs and charges, and what parties dispute."""

from billing.rating.models.charges import Charge, ParkedUsage, RatedUntil, RatingRun
from billing.rating.models.disputes import Dispute, DisputedSlot, DisputeEntry, UsageReport

__all__ = [
    "Charge",
    "Dispute",
    "DisputeEntry",
    "DisputedSlot",
    "ParkedUsage",
    "RatedUntil",
    "RatingRun",
    "UsageReport",
]
