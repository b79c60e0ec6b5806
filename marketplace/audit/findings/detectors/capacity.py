"""Capacity that is not there: fleets that nobody ever saw, and cards that are in two places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import ClassVar, NamedTuple

from django.utils.translation import gettext_lazy as _

from marketplace.audit.findings.cases import Case, Row, Subject, Window
from marketplace.audit.findings.detectors.base import CARDS, NUMBER, SHARE, Detector
from marketplace.audit.findings.models import Severity
from marketplace.audit.findings.statistics import ratio
from marketplace.audit.findings.thresholds import Thresholds
from marketplace.clock import HOUR
from marketplace.delivery.models import OVER, AcceptanceTest, Delivery
from marketplace.supply.models import Offer


class Attempt(NamedTuple):
    """A delivery whose time came. ``seen`` are the cards of its agreement, once they passed acceptance."""

    delivery: int
    site: int
    owner: int
    buyer: int
    fleet: int
    cards: int
    starts_at: datetime
    ends_at: datetime
    seen: bool
    is_over: bool

    def row(self) -> Row:
        told = {
            "cards": self.cards,
            "starts_at": self.starts_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
            "accepted": int(self.seen),
        }
        return Row("delivery", str(self.delivery), told, (self.owner, self.buyer))


class Supply(NamedTuple):
    """Attempts, the older ones included, and of each fleet the most cards offered at once."""

    attempts: Sequence[Attempt]
    offered: dict[int, int]


class NeverSeen(Detector[Supply]):
    """A fleet that sells more cards than any acceptance test ever saw of it.

    Suspicious because the cards may not be there: deliveries fail when they are called for, and what is left
    is a fleet on paper. Statistics: the most cards of the fleet that were sold in one hour and due by the end
    of the window, and the most that had passed acceptance in one hour, ever. Seen over sold of at most
    ``most_seen``, with at least ``least_failed`` deliveries that were over and had shown nothing. Serious. A
    fleet that nobody bought of yet was never tested either, and is not found: what is offered beyond what was
    seen is told as a figure. Not suspicious: an outage of a whole fleet that was seen before.
    """

    name = "never-seen"
    title = _("More cards sold than were ever seen")
    says = _(
        "%(sold)s were sold at once and %(seen)s passed acceptance at once; %(failed)s deliveries failed."
    )
    figures: ClassVar = {
        "offered": (_("Most cards offered at once"), CARDS),
        "sold": (_("Most cards sold at once"), CARDS),
        "seen": (_("Most cards that passed acceptance at once"), CARDS),
        "share": (_("Seen of sold"), SHARE),
        "failed": (_("Deliveries that showed nothing"), NUMBER),
    }

    def read(self, window: Window) -> Supply:
        of = "agreement__allocation__offer__fleet"
        named = (
            "pk", "site", "agreement__owner", "agreement__buyer", of, "agreement__cards", "starts_at",
            "ends_at", "active_from", "state",
        )  # fmt: skip
        recent = Delivery.objects.filter(starts_at__gte=window.start, starts_at__lt=window.end)
        fleets = recent.filter(active_from=None, state__in=OVER).values(of)
        rows = Delivery.objects.filter(**{f"{of}__in": fleets}, starts_at__lt=window.end).order_by("pk")
        attempts = [
            Attempt._make((*names, active_from is not None, state in OVER))
            for *names, active_from, state in rows.values_list(*named)
        ]
        return Supply(attempts, _offered({each.fleet for each in attempts}, window))

    def judge(self, facts: Supply, window: Window, limits: Thresholds) -> Iterator[Case]:
        by_fleet: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in facts.attempts:
            by_fleet[attempt.fleet].append(attempt)
        for fleet, attempts in by_fleet.items():
            # What is still being set up may yet be seen.
            due = [each for each in attempts if each.seen or each.is_over]
            failed = [each for each in due if not each.seen and each.starts_at >= window.start]
            sold, seen = most_at_once(due), most_at_once([each for each in due if each.seen])
            share = ratio(seen, sold)
            if len(failed) < limits["least_failed"] or share > limits["most_seen"]:
                continue
            first = attempts[0]
            yield Case(
                key=f"fleet:{fleet}",
                severity=Severity.SERIOUS,
                window=window,
                statistics={
                    "offered": facts.offered.get(fleet, 0),
                    "sold": sold,
                    "seen": seen,
                    "share": share,
                    "failed": len(failed),
                },
                subjects=(Subject(first.owner, site=first.site),),
                evidence=tuple(each.row() for each in failed),
            )


def most_at_once(attempts: Sequence[Attempt]) -> int:
    """The largest number of cards of deliveries whose windows have an hour in common."""
    changes: dict[datetime, int] = defaultdict(int)
    for each in attempts:
        changes[each.starts_at] += each.cards
        changes[each.ends_at] -= each.cards
    most = cards = 0
    for moment in sorted(changes):
        cards += changes[moment]
        most = max(most, cards)
    return most


def _offered(fleets: set[int], window: Window) -> dict[int, int]:
    """Of each fleet the most cards in offers that overlap in the window."""
    rows = Offer.objects.filter(fleet__in=fleets, starts_at__lt=window.end, ends_at__gt=window.start)
    by_fleet: dict[int, list[Attempt]] = defaultdict(list)
    for fleet, cards, starts_at, ends_at, withdrawn_at in rows.values_list(
        "fleet", "cards", "starts_at", "ends_at", "withdrawn_at"
    ):
        end = min(ends_at, withdrawn_at or ends_at)
        if end > starts_at:
            by_fleet[fleet].append(Attempt(0, 0, 0, 0, fleet, cards, starts_at, end, seen=True, is_over=True))
    return {fleet: most_at_once(offers) for fleet, offers in by_fleet.items()}


class Seen(NamedTuple):
    """A card, by its serial number, as an acceptance test saw it."""

    serial: str
    site: int
    owner: int
    buyer: int
    test: int
    at: datetime

    def row(self) -> Row:
        told = {"serial": self.serial, "site": self.site, "at": self.at.isoformat()}
        return Row("acceptance_test", f"{self.test}/{self.serial}", told, (self.owner,))


class TwoPlaces(Detector[Sequence[Seen]]):
    """The same card, by its serial number, at two sites within a time in which no card is moved.

    Suspicious because one of the two is not where it was sold. Statistic: the number of serials that
    acceptance tests at both sites saw less than ``apart_hours`` hours apart. At least ``least_cards``.
    Serious. Serials come from the site's probe (``uuids`` of the acceptance evidence), so a site without a
    probe, or one that makes them up, is not found. Not suspicious: a site that was split in two on paper.
    """

    name = "two-places"
    title = _("The same cards at two sites")
    says = _("%(cards)s were seen at two sites within %(hours)s hours.")
    figures: ClassVar = {
        "cards": (_("Cards at both"), CARDS),
        "hours": (_("Shortest time between"), NUMBER),
    }

    def read(self, window: Window) -> Sequence[Seen]:
        tests = AcceptanceTest.objects.filter(
            evidence__has_key="uuids", at__gte=window.start, at__lt=window.end
        ).select_related("delivery__agreement")
        return [
            Seen(
                serial,
                test.delivery.site_id,
                test.delivery.agreement.owner_id,
                test.delivery.agreement.buyer_id,
                test.pk,
                test.at,
            )
            for test in tests.order_by("at", "pk")
            for serial in _serials(test)
        ]

    def judge(self, facts: Sequence[Seen], window: Window, limits: Thresholds) -> Iterator[Case]:
        by_serial: dict[str, list[Seen]] = defaultdict(list)
        for sight in facts:
            by_serial[sight.serial].append(sight)
        both: dict[tuple[int, int], list[tuple[Seen, Seen]]] = defaultdict(list)
        longest = int(limits["apart_hours"]) * HOUR
        for sights in by_serial.values():
            for pair in _elsewhere(sights, longest):
                one, other = sorted(each.site for each in pair)
                both[one, other].append(pair)
        for (one, other), pairs in both.items():
            cards = len({first.serial for first, _second in pairs})
            if cards < limits["least_cards"]:
                continue
            nearest = min(second.at - first.at for first, second in pairs)
            rows = dict.fromkeys(seen for pair in pairs for seen in pair)
            yield Case(
                key=f"sites:{one}+{other}",
                severity=Severity.SERIOUS,
                window=window,
                statistics={"cards": cards, "hours": nearest // timedelta(hours=1)},
                subjects=tuple(dict.fromkeys(Subject(seen.owner, site=seen.site) for seen in rows)),
                evidence=tuple(seen.row() for seen in rows),
            )


def _serials(test: AcceptanceTest) -> list[str]:
    told = test.evidence.get("uuids")
    return [str(serial) for serial in told if serial] if isinstance(told, list) else []


def _elsewhere(sights: Sequence[Seen], longest: timedelta) -> Iterator[tuple[Seen, Seen]]:
    """Each two sights of a card, one after the other, that are at different sites."""
    for first, second in pairwise(sights):
        if first.site != second.site and second.at - first.at < longest:
            yield first, second
