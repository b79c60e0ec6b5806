"""The clearing engine: a snapshot of the market in, placements and prices out.

Pure functions of their arguments: no database, no clock, no randomness. ``clear`` decides and
``verify``, which shares no code with it, says whether the decision keeps every promise.
"""

from marketplace.engine.clearing import ENGINE_VERSION, RESULT_FORMAT, clear
from marketplace.engine.codec import (
    CodecError,
    canonical,
    digest,
    result_bytes,
    result_from_bytes,
    snapshot_bytes,
    snapshot_from_bytes,
)
from marketplace.engine.relaxation import change
from marketplace.engine.result import (
    Constraint,
    Explanation,
    Funnel,
    OfferOutcome,
    Outcome,
    Placement,
    Price,
    Remedy,
    Result,
)
from marketplace.engine.snapshot import (
    MICRO,
    Alternative,
    Currency,
    LatencyLimit,
    Model,
    Offer,
    Precision,
    Rate,
    Request,
    RoundTrip,
    Site,
    Snapshot,
    Unit,
    Workload,
)
from marketplace.engine.validation import SNAPSHOT_FORMAT, MalformedSnapshot, check
from marketplace.engine.verification import Broken, ResultRefused, Rule, Violation, verify

__all__ = [
    "ENGINE_VERSION",
    "MICRO",
    "RESULT_FORMAT",
    "SNAPSHOT_FORMAT",
    "Alternative",
    "Broken",
    "CodecError",
    "Constraint",
    "Currency",
    "Explanation",
    "Funnel",
    "LatencyLimit",
    "MalformedSnapshot",
    "Model",
    "Offer",
    "OfferOutcome",
    "Outcome",
    "Placement",
    "Precision",
    "Price",
    "Rate",
    "Remedy",
    "Request",
    "Result",
    "ResultRefused",
    "RoundTrip",
    "Rule",
    "Site",
    "Snapshot",
    "Unit",
    "Violation",
    "Workload",
    "canonical",
    "change",
    "check",
    "clear",
    "digest",
    "result_bytes",
    "result_from_bytes",
    "snapshot_bytes",
    "snapshot_from_bytes",
    "verify",
]
