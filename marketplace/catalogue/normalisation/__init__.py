"""How much work one card does, in normalised PFLOPS (nP), for each class of work.

The reference card is the H100 SXM. Its dense BF16 peak is 0.989 PFLOPS, and by definition it does
0.989 nP in every class. Any other card does 0.989 nP times its throughput relative to the reference
in that class. One nP is therefore a rate of work, not a count of operations: 1 nP of decoding
is what 1/0.989 of an H100 SXM decodes.

Relative throughput comes from the first of these that exists:

1. a measurement at the site (``measured``),
2. published MLPerf results of the class's benchmarks (``classes``, ``published``),
3. an estimate from the data sheet, calibrated on the published results of other cards (``calibration``;
   fitted by ``hierarchy`` and ``fitting``), or for a class without any benchmark the bare ``roofline``,
4. nothing: without the compute peak or the bandwidth there is no profile.

Each comes with a band, of which the lower end is what a careful buyer counts. How well rates and bands do
on results that were hidden from them is in ``data/validation.csv`` (``holdout``, ``validation``) and in
``docs/normalisation.md``.
"""

from marketplace.catalogue.data.rounds import REFERENCE_MODEL
from marketplace.catalogue.normalisation.classes import REFERENCE_RATE
from marketplace.catalogue.normalisation.profiles import Evidence, Profile, profile_of, profiles_for

PROFILE_METHOD_VERSION = "measured-published-calibrated/2"

__all__ = [
    "PROFILE_METHOD_VERSION",
    "REFERENCE_MODEL",
    "REFERENCE_RATE",
    "Evidence",
    "Profile",
    "profile_of",
    "profiles_for",
]
