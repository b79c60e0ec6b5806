"""Who deals with whom: related parties, circles, agreements that nobody uses, and odd prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, NamedTuple

from django.db import connection
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from billing.rating.models import Charge, MonthSettlement
from marketplace.audit.findings import facts
from marketplace.audit.findings.cases import Case, Row, Subject, Window
from marketplace.audit.findings.detectors.base import CARD_HOURS, FACTOR, NUMBER, SHARE, Detector
from marketplace.audit.findings.facts import Deal, Ownership
from marketplace.audit.findings.models import Severity
from marketplace.audit.findings.statistics import at_least, cycles, decimal, ratio
from marketplace.audit.findings.thresholds import Thresholds
from marketplace.catalogue.selectors import fx_table
from marketplace.clock import HOUR
from marketplace.delivery.models import Delivery, DeliveryState, DeliveryTransition


class Dealt(NamedTuple):
    """Deals, who belongs to whom, the worth of each currency in yuan, and what was billed, in yuan."""

    deals: Sequence[Deal]
    ownership: Ownership
    fx: Mapping[str, Decimal]
    billed: Mapping[tuple[int, int], Decimal]

    def worth(self, deal: Deal) -> Decimal:
        return deal.value * self.fx[deal.currency]


def read_dealt(window: Window) -> Dealt:
    deals = facts.concluded(window)
    fx = fx_table(at=window.end) if deals else {}
    return Dealt(deals, facts.ownership(window.end), fx, billed(window, fx))


def billed(window: Window, fx: Mapping[str, Decimal]) -> dict[tuple[int, int], Decimal]:
    """By buyer and owner, what the hours of the window cost, in yuan."""
    sums: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    rows = Charge.objects.filter(slot__gte=window.start, slot__lt=window.end)
    grouped = rows.values_list("agreement__buyer", "agreement__owner", "currency").annotate(Sum("amount"))
    for buyer, owner, currency, amount in grouped:
        if currency in fx:
            sums[buyer, owner] += amount * fx[currency]
    return sums


class RelatedParties(Detector[Dealt]):
    """Organisations under one control, or with people in common, that sell to each other.

    Suspicious because such an agreement costs its group nothing but the commission, and shows sales and
    utilisation that nobody outside paid for: as collateral, or for a quota. Spot and term agreements count.
    Statistic: the value of the
    pair's agreements over the value of all that the owner sold in the window (both concluded in it). Control
    comes from ``OwnershipLink``, transitively; people from memberships. From ``notice_share`` on it is a
    notice, from ``warning_share`` a warning, from ``serious_share`` serious; fewer than ``least_card_hours``
    are nothing. Not suspicious: a group that runs its own work on its own cards at market prices.
    """

    name = "related-parties"
    title = _("Agreements between related parties")
    says = _(
        "%(share)s of what the owner sold went to an organisation that is related to it: %(agreements)s "
        "agreements over %(card_hours)s."
    )
    figures: ClassVar = {
        "share": (_("Share of the owner’s sales"), SHARE),
        "agreements": (_("Agreements of the pair"), NUMBER),
        "card_hours": (_("Card-hours of the pair"), CARD_HOURS),
        "tie": (_("Related by"), ""),
    }

    def read(self, window: Window) -> Dealt:
        return read_dealt(window)

    def judge(self, facts: Dealt, window: Window, limits: Thresholds) -> Iterator[Case]:
        of_owner: dict[int, Decimal] = defaultdict(Decimal)
        of_pair: dict[tuple[int, int], list[Deal]] = defaultdict(list)
        for deal in facts.deals:
            of_owner[deal.owner] += facts.worth(deal)
            if facts.ownership.related(deal.buyer, deal.owner):
                of_pair[deal.buyer, deal.owner].append(deal)
        for (buyer, owner), deals in of_pair.items():
            share = ratio(sum(map(facts.worth, deals), Decimal(0)), of_owner[owner])
            card_hours = sum(deal.card_hours for deal in deals)
            if share < limits["notice_share"] or card_hours < limits["least_card_hours"]:
                continue
            yield Case(
                key=f"{buyer}>{owner}",
                severity=_graded(share, limits),
                window=window,
                statistics={
                    "share": share,
                    "agreements": len(deals),
                    "card_hours": card_hours,
                    "tie": facts.ownership.related(buyer, owner),
                },
                subjects=(Subject(buyer), Subject(owner)),
                evidence=(*facts.ownership.rows(buyer, owner), *(deal.row() for deal in deals)),
            )


def _graded(share: Decimal, limits: Thresholds) -> Severity:
    if share >= limits["serious_share"]:
        return Severity.SERIOUS
    return Severity.WARNING if share >= limits["warning_share"] else Severity.NOTICE


class CircularTrade(Detector[Dealt]):
    """Money that goes in a circle: A buys of B, B of C, and C of A, each through its group.

    Suspicious because everybody in the circle shows sales and nobody has a cost. Nodes are groups under one
    control (an organisation either buys or sells, so no circle is without groups), edges the value of what
    one bought of the other in the window, agreed. Statistic: circulation, the smallest edge of a circle over
    its largest; 1 is money that comes back in full. Circles of up to four groups are enumerated after all
    nodes without a way in or out are taken away (Johnson 1975 enumerates all; longer ones are not looked
    for). From ``least_circulation`` on, and ``least_value`` yuan. What was billed along the circle is shown
    beside. Not suspicious: a large seller and a large buyer that trade both ways in different sizes.
    """

    name = "circular-trade"
    title = _("Trade in a circle")
    says = _(
        "%(groups)s groups bought of each other in a circle; the smallest part of it is %(circulation)s of "
        "the largest."
    )
    figures: ClassVar = {
        "groups": (_("Groups in the circle"), NUMBER),
        "circulation": (_("Smallest part over largest"), SHARE),
        "value": (_("Smallest part, yuan"), NUMBER),
        "billed": (_("Billed along the smallest part, yuan"), NUMBER),
    }

    def read(self, window: Window) -> Dealt:
        return read_dealt(window)

    def judge(self, facts: Dealt, window: Window, limits: Thresholds) -> Iterator[Case]:
        edges, deals = _between_groups(facts)
        for path in cycles(edges, longest=int(limits["longest"])):
            steps = list(zip(path, (*path[1:], path[0]), strict=True))
            values = [edges[step[0]][step[1]] for step in steps]
            circulation = ratio(min(values), max(values))
            if circulation < limits["least_circulation"] or min(values) < limits["least_value"]:
                continue
            made = [deal for step in steps for deal in deals[step]]
            parties = dict.fromkeys(each for deal in made for each in (deal.buyer, deal.owner))
            yield Case(
                key=">".join(map(str, path)),
                severity=Severity.SERIOUS,
                window=window,
                statistics={
                    "groups": len(path),
                    "circulation": circulation,
                    "value": decimal(float(min(values))),
                    "billed": min(_billed_between(facts, step) for step in steps),
                },
                subjects=tuple(map(Subject, parties)),
                evidence=(*facts.ownership.rows(*parties), *(deal.row() for deal in made)),
            )


Edges = dict[int, dict[int, Decimal]]


def _between_groups(dealt: Dealt) -> tuple[Edges, dict[tuple[int, int], list[Deal]]]:
    """What each group bought of each other one, and the deals. What stays inside of one is no edge."""
    edges: Edges = defaultdict(dict)
    deals: dict[tuple[int, int], list[Deal]] = defaultdict(list)
    for deal in dealt.deals:
        step = (dealt.ownership.group(deal.buyer), dealt.ownership.group(deal.owner))
        if step[0] != step[1]:
            edges[step[0]][step[1]] = edges[step[0]].get(step[1], Decimal(0)) + dealt.worth(deal)
            deals[step].append(deal)
    return edges, deals


def _billed_between(dealt: Dealt, step: tuple[int, int]) -> Decimal:
    group = dealt.ownership.group
    sums = (amount for (buyer, owner), amount in dealt.billed.items() if (group(buyer), group(owner)) == step)
    return decimal(float(sum(sums, Decimal(0))))


class Month(NamedTuple):
    """A settled month of a term agreement. Quantities are in the agreement's unit × seconds."""

    agreement: int
    buyer: int
    owner: int
    month: int
    quantity: int
    delivered: int
    offered: int
    starts_at: datetime
    ends_at: datetime

    def row(self) -> Row:
        figures = {"quantity": self.quantity, "delivered": self.delivered, "offered": self.offered}
        return Row("month", f"{self.agreement}/{self.month}", figures, (self.buyer, self.owner))


class NeverCalledOff(Detector[Sequence[Month]]):
    """Term agreements of which nothing, or next to nothing, is ever called off.

    Suspicious because a purchase agreement that nobody uses is what a project shows that must prove demand
    before it may go ahead. Statistic: delivered over committed quantity, summed over the settled months that
    ended before the window's end. At most ``most_share`` over at least ``least_months``. A warning; serious
    where the owner did not even reserve capacity for it (offered below ``offered_share`` of the quantity).
    Not suspicious: the first month of an agreement, or a buyer that pays take-or-pay for a reserve: ask.
    """

    name = "never-called-off"
    title = _("An agreement that is never called off")
    says = _("Of what was committed over %(months)s settled months, %(share)s was delivered.")
    figures: ClassVar = {
        "months": (_("Settled months"), NUMBER),
        "share": (_("Delivered of what was committed"), SHARE),
        "offered": (_("Reserved of what was committed"), SHARE),
    }

    def read(self, window: Window) -> Sequence[Month]:
        rows = (
            MonthSettlement.objects.filter(ends_at__lte=window.end)
            .order_by("agreement", "month", "-run")
            .distinct("agreement", "month")
        )
        named = (
            "agreement", "agreement__buyer", "agreement__owner", "month", "quantity", "delivered", "offered",
            "starts_at", "ends_at",
        )  # fmt: skip
        return [Month(*row) for row in rows.values_list(*named)]

    def judge(self, facts: Sequence[Month], window: Window, limits: Thresholds) -> Iterator[Case]:  # noqa: ARG002
        by_agreement: dict[int, list[Month]] = defaultdict(list)
        for month in facts:
            by_agreement[month.agreement].append(month)
        for agreement, months in by_agreement.items():
            committed = sum(month.quantity for month in months)
            share = ratio(sum(month.delivered for month in months), committed)
            if len(months) < limits["least_months"] or not committed or share > limits["most_share"]:
                continue
            offered = ratio(sum(month.offered for month in months), committed)
            buyer, owner = months[0].buyer, months[0].owner
            yield Case(
                key=f"agreement:{agreement}",
                severity=Severity.SERIOUS if offered < limits["offered_share"] else Severity.WARNING,
                window=Window(months[0].starts_at, months[-1].ends_at),
                statistics={"months": len(months), "share": share, "offered": offered},
                subjects=(Subject(buyer, agreement=agreement), Subject(owner, agreement=agreement)),
                evidence=tuple(month.row() for month in months),
            )


class ProductPrices(NamedTuple):
    """The usual clearing price of a product, as a logarithm, and the spread of the logarithms."""

    middle: float
    spread: float
    known: int


class Priced(NamedTuple):
    deals: Sequence[Deal]
    usual: Mapping[tuple[int | None, int | None], ProductPrices]


USUAL_PRICES = """
WITH seen AS (
    SELECT model_id, zone_id, ln(price::float8) AS price FROM clearing_clearingprice
    WHERE slot >= %(start)s AND slot < %(end)s
), middles AS (
    SELECT model_id, zone_id, count(*) AS prices,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY price) AS middle
    FROM seen GROUP BY model_id, zone_id
)
SELECT model_id, zone_id, min(middle),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(price - middle)), min(prices)
FROM seen JOIN middles USING (model_id, zone_id) GROUP BY model_id, zone_id
"""


class OffPrice(Detector[Priced]):
    """Agreements at a price far from what the product clears at.

    Suspicious because a price that no market would give moves money between parties for another reason.
    Statistic: robust z of the logarithm of the agreement's average price per card-hour among the product's
    clearing prices of the window, 0.6745 (ln p - median) / MAD (Iglewicz and Hoaglin 1993); the spread is
    taken as at least ``least_spread``. Beyond ``least_z`` and a factor of ``least_factor``, where at least
    ``least_prices`` are known. A warning. Spot agreements are at the prices of their run, so these are mostly
    call-offs; a spot price stands out where one run was thin. Not suspicious: a long agreement concluded
    before the market moved.
    """

    name = "off-price"
    title = _("A price far from the market’s")
    says = _("The average price is %(factor)s times what the product usually clears at (z = %(z)s).")
    figures: ClassVar = {
        "factor": (_("Price over the usual one"), FACTOR),
        "z": (_("Robust z of its logarithm"), NUMBER),
        "prices": (_("Clearing prices compared with"), NUMBER),
        "card_hours": (_("Card-hours"), CARD_HOURS),
    }

    def read(self, window: Window) -> Priced:
        with connection.cursor() as cursor:
            cursor.execute(USUAL_PRICES, {"start": window.start, "end": window.end})
            usual = {
                (model, zone): ProductPrices(middle, spread, count)
                for model, zone, middle, spread, count in cursor.fetchall()
            }
        return Priced(facts.placed(window), usual)

    def judge(self, facts: Priced, window: Window, limits: Thresholds) -> Iterator[Case]:
        for deal in facts.deals:
            usual = facts.usual.get((deal.model, deal.zone))
            if usual is None or usual.known < limits["least_prices"]:
                continue
            distance = float((deal.value / deal.card_hours).ln()) - usual.middle
            z = decimal(0.6745 * distance / max(usual.spread, float(limits["least_spread"])))
            factor = decimal(2.718281828459045**distance)
            if abs(z) < limits["least_z"] or abs(factor.ln()) < limits["least_factor"].ln():
                continue
            yield Case(
                key=f"agreement:{deal.agreement}",
                severity=Severity.WARNING,
                window=window,
                statistics={
                    "factor": factor,
                    "z": z,
                    "prices": usual.known,
                    "card_hours": deal.card_hours,
                },
                subjects=(
                    Subject(deal.buyer, agreement=deal.agreement),
                    Subject(deal.owner, agreement=deal.agreement),
                ),
                evidence=(deal.row(),),
            )


class Begun(NamedTuple):
    """A delivery whose time came in the window; ``dropped_by`` is who ended it before it began."""

    delivery: int
    agreement: int
    buyer: int
    owner: int
    starts_at: datetime
    over_at: datetime | None
    dropped_by: str

    def row(self) -> Row:
        told = {
            "starts_at": self.starts_at.isoformat(),
            "over_at": self.over_at and self.over_at.isoformat(),
            "fault": self.dropped_by,
        }
        return Row("delivery", str(self.delivery), told, (self.buyer, self.owner))


class LateCancellation(Detector[Sequence[Begun]]):
    """An organisation that again and again drops what was agreed just before it would be used.

    Suspicious because capacity that is always taken back was sold to be shown, not to be delivered. A
    delivery counts that failed or was evicted by the organisation's fault without ever being active, not
    earlier than ``hours_before`` hours before its start. Statistic: the binomial probability of so many among
    its deliveries at the rate of all other organisations of its side (at least ``least_rate``). Below
    ``most_probability`` with at least ``least_count``: a warning; serious from ``serious_share`` of its
    deliveries on. Not suspicious: one outage that took several deliveries on one day looks the same; ask.
    """

    name = "late-cancellation"
    title = _("Cancelled just before use, again and again")
    says = _("%(cancelled)s of %(deliveries)s deliveries were dropped just before they would have begun.")
    figures: ClassVar = {
        "cancelled": (_("Dropped just before use"), NUMBER),
        "deliveries": (_("Deliveries whose time came"), NUMBER),
        "share": (_("Share"), SHARE),
        "market_share": (_("Share among all others"), SHARE),
        "probability": (_("Probability by chance"), NUMBER),
    }

    def read(self, window: Window) -> Sequence[Begun]:
        rows = Delivery.objects.filter(starts_at__gte=window.start, starts_at__lt=window.end).order_by("pk")
        over = (DeliveryState.FAILED, DeliveryState.EVICTED)
        ended = {
            row.delivery_id: row.at
            for row in DeliveryTransition.objects.filter(delivery__in=rows, to_state__in=over)
        }
        return [
            Begun(
                row.pk,
                row.agreement_id,
                row.agreement.buyer_id,
                row.agreement.owner_id,
                row.starts_at,
                ended.get(row.pk),
                row.fault if row.active_from is None and row.state in over else "",
            )
            for row in rows.select_related("agreement")
        ]

    def judge(self, facts: Sequence[Begun], window: Window, limits: Thresholds) -> Iterator[Case]:
        for side in ("owner", "buyer"):
            yield from self._of(side, facts, window, limits)

    def _of(self, side: str, begun: Sequence[Begun], window: Window, limits: Thresholds) -> Iterator[Case]:
        early = int(limits["hours_before"]) * HOUR
        of: dict[int, list[Begun]] = defaultdict(list)
        for each in begun:
            of[getattr(each, side)].append(each)
        dropped = {
            party: [
                each
                for each in rows
                if each.dropped_by == side and each.over_at and each.over_at >= each.starts_at - early
            ]
            for party, rows in of.items()
        }
        in_all, all_dropped = len(begun), sum(map(len, dropped.values()))
        for party, rows in of.items():
            count = len(dropped[party])
            if count < limits["least_count"]:
                continue
            others = max(ratio(all_dropped - count, in_all - len(rows)), limits["least_rate"])
            probability = at_least(count, len(rows), others)
            if probability > limits["most_probability"]:
                continue
            share = ratio(count, len(rows))
            yield Case(
                key=f"{side}:{party}",
                severity=Severity.SERIOUS if share >= limits["serious_share"] else Severity.WARNING,
                window=window,
                statistics={
                    "cancelled": count,
                    "deliveries": len(rows),
                    "share": share,
                    "market_share": others,
                    "probability": probability,
                },
                subjects=(Subject(party),),
                evidence=tuple(each.row() for each in dropped[party]),
            )
