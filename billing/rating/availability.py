"""A service level: availability, the longest outage, and the credit. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from billing.money import commission_of
from marketplace.agreements.terms import ServiceLevelTerms


@dataclass(frozen=True, slots=True)
class Service:
    """What was owed and delivered in an agreement's window, in card-seconds, and what was charged for it."""

    owed: int
    delivered: int
    longest_outage: timedelta
    charged: Decimal
    commission: Decimal


@dataclass(frozen=True, slots=True)
class Credit:
    """What the buyer gets back: ``share`` of what was charged, and of the commission on it."""

    share: Decimal
    amount: Decimal
    commission: Decimal


def longest_outage(
    starts_at: datetime, ends_at: datetime, covered: Iterable[tuple[datetime, datetime]]
) -> timedelta:
    """The longest time in the window in which no reading says that any card was there.

    As fine as the site's readings are: inside of an interval it cannot be seen where cards were missing.
    """
    longest, until = timedelta(), starts_at
    for start, end in sorted(covered):
        longest = max(longest, min(start, ends_at) - until)
        until = max(until, end)
    return max(longest, ends_at - until)


def share_of(terms: ServiceLevelTerms, service: Service) -> Decimal:
    """The share of the charges that is credited.

    That of the lowest tier that the availability is below, and one more for an outage that lasted longer
    than was promised, together at most the cap.
    """
    available = Fraction(service.delivered, service.owed)
    shares = [share for below, share in terms.tiers if available < Fraction(below)]
    late = service.longest_outage > timedelta(minutes=terms.recovery_minutes)
    return min(max(shares, default=Decimal(0)) + (terms.recovery_share if late else 0), terms.cap)


def credit_of(terms: ServiceLevelTerms, service: Service) -> Credit:
    """The credit, exact to the 12th place, half to even; nothing where nothing was charged."""
    share = share_of(terms, service)
    return Credit(share, commission_of(service.charged, share), commission_of(service.commission, share))
