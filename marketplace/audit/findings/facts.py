"""What detectors read, as plain rows: billed and stored facts of a window, and nothing computed twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import combinations
from typing import NamedTuple

from django.db.models import BigIntegerField, Q, Sum
from django.db.models.functions import Cast, Coalesce

from accounts.models import Membership
from billing.metering.models import Meter, MeteredHour
from marketplace.agreements.models import Agreement
from marketplace.audit.findings.cases import Row, Window
from marketplace.audit.findings.selectors import links_at


class Hour(NamedTuple):
    """What a delivery reported for an hour. Sums are card-seconds and Wh, ``power`` is W a card."""

    site: int
    owner: int
    buyer: int
    delivery: int
    agreement: int
    cards: int
    model: str
    tdp: int | None
    slot: datetime
    allocated: int
    active: int | None
    energy: int | None
    power: Decimal | None

    @property
    def duty(self) -> float:
        return (self.active or 0) / self.allocated

    @property
    def watts(self) -> float:
        """Of one card, by the energy."""
        return (self.energy or 0) * 3600 / self.allocated

    def row(self) -> Row:
        facts = {
            "slot": self.slot.isoformat(),
            "delivery": self.delivery,
            "allocated": self.allocated,
            "active": self.active,
            "energy": self.energy,
        }
        return Row(
            "metered_hour", f"{self.delivery}/{self.slot:%Y-%m-%dT%HZ}", facts, (self.owner, self.buyer)
        )


def hours(window: Window) -> Iterator[Hour]:
    """By site, delivery and hour. Hours in which nothing was allocated are left out."""
    of = "delivery__agreement__allocation__offer__fleet__model"
    named = (
        "delivery__site", "delivery__agreement__owner", "delivery__agreement__buyer", "delivery",
        "delivery__agreement", "delivery__agreement__cards", f"{of}__slug", f"{of}__tdp_w", "slot",
    )  # fmt: skip
    rows = (
        MeteredHour.objects.filter(slot__gte=window.start, slot__lt=window.end, readings__gt=0)
        .order_by("delivery__site", "delivery", "slot")
        .values_list(*named)
        .annotate(
            allocated=Sum("quantity", filter=Q(meter=Meter.ALLOCATED)),
            active=Sum("quantity", filter=Q(meter=Meter.ACTIVE)),
            energy=Sum("quantity", filter=Q(meter=Meter.ENERGY)),
            power=Sum("quantity", filter=Q(meter=Meter.POWER)),
            weight=Sum("weight", filter=Q(meter=Meter.POWER)),
        )
    )
    for *names, allocated, active, energy, power, weight in rows.iterator(chunk_size=5_000):
        if allocated:
            mean = Decimal(power) / weight if weight else None
            yield Hour._make((*names, allocated, active, energy, mean))


def hours_by_site(window: Window) -> Iterator[list[Hour]]:
    """One site after the other, so that a nation's hours are never in memory at once."""
    site: list[Hour] = []
    for hour in hours(window):
        if site and site[0].site != hour.site:
            yield site
            site = []
        site.append(hour)
    if site:
        yield site


class Deal(NamedTuple):
    """An agreement. A term agreement names no cards, no product and no run; one in nP-hours has those instead
    of card-hours."""

    agreement: int
    kind: str
    buyer: int
    owner: int
    site: int | None
    model: int | None
    zone: int | None
    run: int | None
    cards: int
    card_hours: int
    value: Decimal
    currency: str
    concluded_at: datetime
    terms_digest: str

    def row(self) -> Row:
        facts = {
            "kind": self.kind,
            "buyer": self.buyer,
            "owner": self.owner,
            "card_hours": self.card_hours,
            "value": str(self.value),
            "currency": self.currency,
            "concluded_at": self.concluded_at.isoformat(),
            "terms_digest": self.terms_digest,
        }
        return Row("agreement", str(self.agreement), facts, (self.buyer, self.owner))


def placed(window: Window) -> list[Deal]:
    """Spot agreements and call-offs that were concluded in the window: what the market placed."""
    return _deals(Q(allocation__isnull=False), window)


def concluded(window: Window) -> list[Deal]:
    """Spot and term agreements that were concluded in the window; what is called off is in the latter."""
    return _deals(~Q(kind=Agreement.Kind.CALL_OFF), window)


def _deals(which: Q, window: Window) -> list[Deal]:
    of = "allocation__offer__fleet"
    rows = (
        Agreement.objects.filter(which, concluded_at__gte=window.start, concluded_at__lt=window.end)
        .annotate(quantity=Coalesce("card_hours", Cast("np_hours", BigIntegerField())))
        .order_by("pk")
    )
    named = (
        "pk", "kind", "buyer", "owner", f"{of}__site", f"{of}__model", f"{of}__site__region__zone",
        "allocation__run", "cards", "quantity", "value", "currency", "concluded_at", "terms_digest",
    )  # fmt: skip
    return [Deal(*row) for row in rows.values_list(*named).iterator(chunk_size=5_000)]


class Ownership(NamedTuple):
    """``group`` of an organisation is the smallest id of those under one control; alone it is its own.

    ``people`` are pairs of organisations that have a member in common, the smaller id first.
    """

    groups: Mapping[int, int]
    people: Mapping[tuple[int, int], int]
    links: Mapping[int, tuple[Row, ...]]

    def group(self, organisation: int) -> int:
        return self.groups.get(organisation, organisation)

    def related(self, one: int, other: int) -> str:
        """Why they are related; nothing where they are not known to be."""
        if self.group(one) == self.group(other):
            return "control"
        return "people" if (min(one, other), max(one, other)) in self.people else ""

    def rows(self, *organisations: int) -> tuple[Row, ...]:
        groups = dict.fromkeys(self.group(each) for each in organisations)
        return tuple(row for group in groups for row in self.links.get(group, ()))


def ownership(at: datetime) -> Ownership:
    """Who belonged to whom at a moment, as operators entered it, and who shares people now."""
    links = list(links_at(at).order_by("pk"))
    groups = grouped([(link.controller_id, link.controlled_id) for link in links])
    rows: dict[int, tuple[Row, ...]] = defaultdict(tuple)
    for link in links:
        facts = {
            "controller": link.controller_id,
            "controlled": link.controlled_id,
            "since": link.since.isoformat(),
            "source": link.source,
        }
        pair = (link.controller_id, link.controlled_id)
        rows[groups[link.controller_id]] += (Row("ownership_link", str(link.pk), facts, pair),)
    return Ownership(groups, _people_in_common(), rows)


def grouped(pairs: list[tuple[int, int]]) -> dict[int, int]:
    """Each organisation that is in a pair, and the smallest id of all that pairs join it to."""
    group: dict[int, int] = {}
    for one, other in pairs:
        first, second = group.setdefault(one, one), group.setdefault(other, other)
        joined = min(first, second)
        for each, of in group.items():
            if of in {first, second}:
                group[each] = joined
    return group


def _people_in_common() -> dict[tuple[int, int], int]:
    """Pairs of organisations, and how many people are active members of both."""
    members = Membership.objects.filter(user__is_active=True).values_list("user", "organisation")
    of: dict[int, set[int]] = defaultdict(set)
    for user, organisation in members:
        of[user].add(organisation)
    pairs: dict[tuple[int, int], int] = defaultdict(int)
    for organisations in of.values():
        for pair in combinations(sorted(organisations), 2):
            pairs[pair] += 1
    return pairs
