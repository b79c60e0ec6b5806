"""The clearing engine: a snapshot of the market in, placements and prices out.

Pure functions of their arguments: no database, no clock, no randomness. ``clear`` decides and
``verify``, which shares no code with it, says whether the decision keeps every promise.
"""

from marketplace.engine.clearing import ENGINE_VERSION, RESULT_FORMAT, clear, conclude, parts, solve
from marketplace.engine.codec import (
    CodecError,
    canonical,
    digest,
    result_bytes,
    result_from_bytes,
    snapshot_bytes,
    snapshot_from_bytes,
)
from marketplace.engine.depth import Depth
from marketplace.engine.quotebook import QuoteBook
from marketplace.engine.quotefill import Cost
from marketplace.engine.quoting import ProductQuote, Quote, Without, quote
from marketplace.engine.relaxation import change
from marketplace.engine.result import (
    Bound,
    Constraint,
    Explanation,
    Funnel,
    LowerAsk,
    OfferOutcome,
    Outcome,
    Placement,
    Price,
    Remedy,
    Result,
    Shadow,
)
from marketplace.engine.snapshot import (
    MICRO,
    Alternative,
    Budget,
    Choice,
    Currency,
    LatencyLimit,
    Model,
    Offer,
    OwnerCap,
    Precision,
    Rate,
    Request,
    RoundTrip,
    Site,
    SiteHours,
    Snapshot,
    Unit,
    Workload,
)
from marketplace.engine.solving import Solved
from marketplace.engine.validation import HOURLY_FORMAT, SNAPSHOT_FORMAT, MalformedSnapshot, check
from marketplace.engine.verification import Broken, ResultRefused, Rule, Violation, proven_bound, verify

__all__ = [
    "ENGINE_VERSION",
    "HOURLY_FORMAT",
    "MICRO",
    "RESULT_FORMAT",
    "SNAPSHOT_FORMAT",
    "Alternative",
    "Bound",
    "Broken",
    "Budget",
    "Choice",
    "CodecError",
    "Constraint",
    "Cost",
    "Currency",
    "Depth",
    "Explanation",
    "Funnel",
    "LatencyLimit",
    "LowerAsk",
    "MalformedSnapshot",
    "Model",
    "Offer",
    "OfferOutcome",
    "Outcome",
    "OwnerCap",
    "Placement",
    "Precision",
    "Price",
    "ProductQuote",
    "Quote",
    "QuoteBook",
    "Rate",
    "Remedy",
    "Request",
    "Result",
    "ResultRefused",
    "RoundTrip",
    "Rule",
    "Shadow",
    "Site",
    "SiteHours",
    "Snapshot",
    "Solved",
    "Unit",
    "Violation",
    "Without",
    "Workload",
    "canonical",
    "change",
    "check",
    "clear",
    "conclude",
    "digest",
    "parts",
    "proven_bound",
    "quote",
    "result_bytes",
    "result_from_bytes",
    "snapshot_bytes",
    "snapshot_from_bytes",
    "solve",
    "verify",
]
