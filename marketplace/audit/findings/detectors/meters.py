"""Meters that disagree: with each other, with the data sheet, with what was sold, with what the buyer saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from statistics import fmean, median
from typing import ClassVar, NamedTuple

from django.utils.translation import gettext_lazy as _

from billing.metering.models import Meter, MeteredHour
from billing.rating.models import UsageReport
from marketplace.agents.models import IdleCardHour
from marketplace.audit.findings import facts
from marketplace.audit.findings.cases import Case, Figure, Row, Subject, Window
from marketplace.audit.findings.detectors.base import (
    CARD_HOURS,
    CARDS,
    FACTOR,
    HOURS_LOOKED_AT,
    NUMBER,
    SHARE,
    Detector,
)
from marketplace.audit.findings.detectors.working import OfSites, by_slot
from marketplace.audit.findings.facts import Hour
from marketplace.audit.findings.models import Severity
from marketplace.audit.findings.statistics import decimal, least_squares, ratio, robust_z
from marketplace.audit.findings.thresholds import Thresholds
from marketplace.supply.models import Fleet

SECONDS = 3600


class SoldButInactive(OfSites):
    """Cards that were sold and delivered and did nothing at all.

    Suspicious because somebody pays for nothing: agreements that are made to be shown. Statistic: active over
    allocated card-hours of all deliveries of a site. At most ``most_share`` of at least
    ``least_card_hours`` in at least ``least_deliveries`` deliveries over ``least_hours``. Most sold cards of
    real clusters are idle most of the time (7 % in the trace of the demo), so only next to nothing counts. A
    warning. Not suspicious: a buyer that keeps a reserve warm.
    """

    name = "sold-but-inactive"
    title = _("Sold, delivered, and never busy")
    says = _("Of %(card_hours)s that were delivered, %(share)s were active.")
    figures: ClassVar = {
        "card_hours": (_("Delivered"), CARD_HOURS),
        "share": (_("Active of what was delivered"), SHARE),
        "deliveries": (_("Deliveries"), NUMBER),
    }

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        known = [hour for hour in hours if hour.active is not None]
        allocated = sum(hour.allocated for hour in known)
        deliveries = len({hour.delivery for hour in known})
        share = ratio(sum(hour.active or 0 for hour in known), allocated)
        enough = (
            allocated >= limits["least_card_hours"] * SECONDS
            and deliveries >= limits["least_deliveries"]
            and len({hour.slot for hour in known}) >= limits["least_hours"]
        )
        if not enough or share > limits["most_share"]:
            return None
        figures: dict[str, Figure] = {
            "card_hours": allocated // SECONDS,
            "share": share,
            "deliveries": deliveries,
        }
        return figures, known


class ImpossibleEnergy(OfSites):
    """More energy than the data sheet allows, or less than the cards draw when they stand idle.

    Suspicious because physics does not allow it: the meter is wrong, or the cards are others than sold.
    Statistic: the mean power of a card in an hour, energy × 3600 / allocated card-seconds, against the
    design power of its model. Above ``most`` of it or below ``least`` in at least ``least_share`` of the
    hours and ``least_hours`` of them. Serious. Not suspicious: a model whose design power was changed by its
    maker, or a site that meters whole servers (ask which).
    """

    name = "impossible-energy"
    title = _("Energy that the cards cannot have drawn")
    severity = Severity.SERIOUS
    says = _("In %(share)s of %(hours)s hours the cards drew more than they can, or less than idle ones do.")
    figures: ClassVar = {
        "hours": HOURS_LOOKED_AT,
        "share": (_("Share of impossible hours"), SHARE),
        "above": (_("Hours above the data sheet"), NUMBER),
        "below": (_("Hours below idle"), NUMBER),
        "highest": (_("Highest power over design power"), FACTOR),
    }

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        known = [(hour, hour.watts / hour.tdp) for hour in hours if hour.tdp and hour.energy is not None]
        above = [hour for hour, share in known if share > limits["most"]]
        below = [hour for hour, share in known if share < limits["least"]]
        share = ratio(len(above) + len(below), len(known))
        if len(above) + len(below) < limits["least_hours"] or share < limits["least_share"]:
            return None
        figures: dict[str, Figure] = {
            "hours": len(known),
            "share": share,
            "above": len(above),
            "below": len(below),
            "highest": decimal(max(each for _hour, each in known)),
        }
        return figures, above + below


class EnergyAgainstPower(OfSites):
    """Two meters of the same cards that contradict each other: energy, and mean power.

    Suspicious because both come from the same sensors. Statistic: the energy reported, over mean power ×
    allocated card-seconds / 3600, summed over the hours in which both were told. Further than ``most_apart``
    from 1 over at least ``least_hours``. A warning. Not suspicious: exporters that were away for part of the
    hours: the power is then a mean of the rest.
    """

    name = "energy-against-power"
    title = _("Energy and power contradict each other")
    says = _("Over %(hours)s hours the energy is %(factor)s times what the mean power comes to.")
    figures: ClassVar = {
        "hours": HOURS_LOOKED_AT,
        "factor": (_("Energy over power × time"), FACTOR),
    }

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        known = [(hour, hour.power) for hour in hours if hour.power and hour.energy]
        if len(known) < limits["least_hours"]:
            return None
        told = sum(hour.energy or 0 for hour, _power in known)
        follows = sum((power * hour.allocated for hour, power in known), Decimal(0)) / SECONDS
        factor = ratio(told, follows)
        if abs(factor - 1) <= limits["most_apart"]:
            return None
        return {"hours": len(known), "factor": factor}, [hour for hour, _power in known]


class SiteEnergy(NamedTuple):
    """What the deliveries of one model at a site add up to; energies relative to the design power."""

    site: int
    owner: int
    model: str
    allocated: float
    active: float
    energy: float
    rows: tuple[Row, ...]


class EnergyOffPeers(Detector[Sequence[SiteEnergy]]):
    """A site whose energy for the same work is unlike that of all others: a meter that lies by some percent.

    Suspicious because the same card model draws about the same power for the same duty. Statistic: energy
    relative to the design power is fitted over all sites of a model as a × allocated + b × active card-hours
    by least squares, once more without those further off than ``left_out``; of each site the energy over
    what the fit says, and its robust z among its peers (Iglewicz and Hoaglin 1993) with a spread of at least
    ``least_spread``. Models with fewer than ``least_peers`` sites are fitted together. Off by at least
    ``least_off`` and |z| of at least ``least_z``, for at least ``least_card_hours``. A warning. Not
    suspicious: undervolted cards, a hot hall, or a firmware with another power limit.
    """

    name = "energy-off-peers"
    title = _("Energy unlike that of other sites")
    says = _(
        "For the same cards and work the site reports %(factor)s times the energy of %(peers)s others "
        "(z = %(z)s)."
    )
    figures: ClassVar = {
        "factor": (_("Energy over that of peers"), FACTOR),
        "z": (_("Robust z"), NUMBER),
        "peers": (_("Sites compared with"), NUMBER),
        "card_hours": (_("Card-hours"), CARD_HOURS),
    }

    def read(self, window: Window) -> Sequence[SiteEnergy]:
        found = []
        for hours in facts.hours_by_site(window):
            by_model: dict[str, list[Hour]] = defaultdict(list)
            for hour in hours:
                if hour.tdp and hour.energy and hour.active is not None:
                    by_model[hour.model].append(hour)
            found += [_site_energy(rows) for rows in by_model.values()]
        return found

    def judge(self, facts: Sequence[SiteEnergy], window: Window, limits: Thresholds) -> Iterator[Case]:
        for peers in _peers(facts, limits):
            fit = _fit(peers, limits)
            factors = [one.energy / (fit[0] * one.allocated + fit[1] * one.active) for one in peers]
            for place, (one, factor) in enumerate(zip(peers, factors, strict=True)):
                others = factors[:place] + factors[place + 1 :]
                z = robust_z(factor, others, least_spread=float(limits["least_spread"]))
                if abs(factor - 1) < limits["least_off"] or abs(z) < limits["least_z"]:
                    continue
                yield Case(
                    key=f"site:{one.site}/{one.model}",
                    severity=Severity.WARNING,
                    window=window,
                    statistics={
                        "factor": decimal(factor),
                        "z": z,
                        "peers": len(others),
                        "card_hours": int(one.allocated),
                    },
                    subjects=(Subject(one.owner, site=one.site),),
                    evidence=one.rows,
                )


def _site_energy(hours: Sequence[Hour]) -> SiteEnergy:
    first = hours[0]
    return SiteEnergy(
        first.site,
        first.owner,
        first.model,
        sum(hour.allocated for hour in hours) / SECONDS,
        sum(hour.active or 0 for hour in hours) / SECONDS,
        sum(hour.energy or 0 for hour in hours) / (first.tdp or 1),
        tuple(hour.row() for hour in hours[-24:]),
    )


def _peers(sites: Sequence[SiteEnergy], limits: Thresholds) -> Iterator[list[SiteEnergy]]:
    """Those to compare with each other: of one model, and all of the models that too few sites have."""
    by_model: dict[str, list[SiteEnergy]] = defaultdict(list)
    for site in sites:
        if site.allocated >= limits["least_card_hours"]:
            by_model[site.model].append(site)
    few = [site for rows in by_model.values() if len(rows) < limits["least_peers"] for site in rows]
    for rows in (*by_model.values(), few):
        if len(rows) >= limits["least_peers"]:
            yield rows


def _fit(peers: Sequence[SiteEnergy], limits: Thresholds) -> tuple[float, float]:
    points = [(one.allocated, one.active, one.energy) for one in peers]
    a, b = least_squares(points)
    middle = median(y / (a * x1 + b * x2) for x1, x2, y in points)
    near = [
        (x1, x2, y) for x1, x2, y in points if abs(y / (a * x1 + b * x2) / middle - 1) <= limits["left_out"]
    ]
    return least_squares(near) if len(near) >= limits["least_peers"] - 1 else (a * middle, b * middle)


class Compared(NamedTuple):
    """An hour as the site and as the buyer tell it, in card-seconds."""

    site: int
    owner: int
    buyer: int
    agreement: int
    slot: datetime
    told: int
    seen: int
    report: int

    @property
    def apart(self) -> float:
        return (self.told - self.seen) / self.told

    def row(self) -> Row:
        figures = {"slot": self.slot.isoformat(), "site": self.told, "buyer": self.seen}
        return Row("usage_report", str(self.report), figures, (self.owner, self.buyer))


class BuyerDisagrees(Detector[Sequence[Compared]]):
    """A site that reports more card-seconds than its buyers saw, hour after hour.

    Suspicious because card-seconds are what is billed. Statistic: the median over hours of (site - buyer) /
    site, of the newest report of each hour, and the share of hours in which the site says more (a sign test;
    a half is expected of honest errors). A median of at least ``least_apart`` and a share of at least
    ``least_share`` over at least ``least_hours``. A warning by one buyer's word, which may be wrong; serious
    where at least two say it. Not suspicious: a buyer that counts only what it used.
    """

    name = "buyer-disagrees"
    title = _("The buyer saw less than the site reports")
    says = _(
        "In %(share)s of %(hours)s hours the site reported more than the buyer saw; the median is %(apart)s."
    )
    figures: ClassVar = {
        "hours": (_("Hours with both figures"), NUMBER),
        "apart": (_("Median difference"), SHARE),
        "share": (_("Share of hours in which the site says more"), SHARE),
        "buyers": (_("Buyers who say so"), NUMBER),
    }

    def read(self, window: Window) -> Sequence[Compared]:
        reports = (
            UsageReport.objects.filter(slot__gte=window.start, slot__lt=window.end)
            .order_by("agreement", "slot", "-pk")
            .distinct("agreement", "slot")
            .select_related("agreement")
        )
        told = MeteredHour.objects.filter(
            meter=Meter.ALLOCATED,
            slot__gte=window.start,
            slot__lt=window.end,
            delivery__agreement__usage_reports__isnull=False,
        ).distinct()
        by_hour = {
            (agreement, slot): (quantity, site)
            for agreement, slot, quantity, site in told.values_list(
                "delivery__agreement", "slot", "quantity", "delivery__site"
            )
        }
        found = []
        for report in reports:
            quantity, site = by_hour.get((report.agreement_id, report.slot), (0, 0))
            if quantity:
                agreement = report.agreement
                parties = (agreement.owner_id, agreement.buyer_id)
                found.append(
                    Compared(site, *parties, agreement.pk, report.slot, quantity, report.quantity, report.pk)
                )
        return found

    def judge(self, facts: Sequence[Compared], window: Window, limits: Thresholds) -> Iterator[Case]:
        by_site: dict[int, list[Compared]] = defaultdict(list)
        for row in facts:
            by_site[row.site].append(row)
        for site, rows in by_site.items():
            apart = decimal(median(row.apart for row in rows))
            share = ratio(sum(row.told > row.seen for row in rows), len(rows))
            enough = len(rows) >= limits["least_hours"]
            if not enough or apart < limits["least_apart"] or share < limits["least_share"]:
                continue
            telling = [row for row in rows if row.apart >= limits["least_apart"]]
            buyers = {row.buyer for row in telling}
            yield Case(
                key=f"site:{site}",
                severity=Severity.SERIOUS if len(buyers) > 1 else Severity.WARNING,
                window=window,
                statistics={"hours": len(rows), "apart": apart, "share": share, "buyers": len(buyers)},
                subjects=(Subject(rows[0].owner, site=site),),
                evidence=tuple(row.row() for row in telling),
            )


class IdleSite(NamedTuple):
    """What a site told of cards that no delivery held, and how many cards it has."""

    site: int
    owner: int
    installed: int
    idle: Sequence[tuple[datetime, str, Mapping[str, int]]]
    sold: Mapping[datetime, int]

    def rows(self, slots: Iterable[datetime]) -> tuple[Row, ...]:
        wanted = set(slots)
        return tuple(
            Row("idle_card_hour", f"{self.site}/{card}/{slot:%Y-%m-%dT%HZ}", dict(meters), (self.owner,))
            for slot, card, meters in self.idle
            if slot in wanted
        )


def idle_sites(window: Window) -> Iterator[IdleSite]:
    """Sites whose agents told of idle cards; ``sold`` are the allocated card-seconds by hour."""
    rows = IdleCardHour.objects.filter(slot__gte=window.start, slot__lt=window.end)
    idle: dict[int, list[tuple[datetime, str, Mapping[str, int]]]] = defaultdict(list)
    for site, slot, card, meters in rows.order_by("slot", "card").values_list(
        "site", "slot", "card", "meters"
    ):
        idle[site].append((slot, card, meters))
    installed: dict[int, int] = defaultdict(int)
    owners = {}
    for site, owner, cards in Fleet.objects.filter(site__in=idle).values_list("site", "site__owner", "cards"):
        installed[site] += cards
        owners[site] = owner
    sold: dict[int, dict[datetime, int]] = {site: {} for site in idle}
    for hours in facts.hours_by_site(window) if idle else ():
        if hours[0].site in idle:
            slots = by_slot(hours).items()
            sold[hours[0].site] = {slot: sum(h.allocated for h in each) for slot, each in slots}
    for site, told in idle.items():
        if site in owners:
            yield IdleSite(site, owners[site], installed[site], told, sold[site])


class ActiveButUnsold(Detector[Iterable[IdleSite]]):
    """Cards that nobody bought and that are busy all the same.

    Suspicious where they are offered as idle: they are used beside the exchange, or mine. Statistic: of the
    card-hours that no delivery held and of which utilisation was told, the share with a mean utilisation of
    at least ``busy`` hundredths of a percent. At least ``least_share`` of at least ``least_card_hours``. A
    notice. Not suspicious: an owner that uses its own cards while nobody buys them, and does not call them
    idle.
    """

    name = "active-but-unsold"
    title = _("Busy without a buyer")
    says = _("%(share)s of %(card_hours)s that nobody had bought were busy.")
    figures: ClassVar = {
        "card_hours": (_("Unsold and told of"), CARD_HOURS),
        "share": (_("Share that was busy"), SHARE),
        "utilisation": (_("Mean utilisation"), SHARE),
    }

    def read(self, window: Window) -> Iterable[IdleSite]:
        return idle_sites(window)

    def judge(self, facts: Iterable[IdleSite], window: Window, limits: Thresholds) -> Iterator[Case]:
        for one in facts:
            told = [
                (slot, meters[Meter.UTILISATION])
                for slot, _card, meters in one.idle
                if Meter.UTILISATION in meters
            ]
            busy = [slot for slot, utilisation in told if utilisation >= limits["busy"]]
            share = ratio(len(busy), len(told))
            if len(told) < limits["least_card_hours"] or share < limits["least_share"]:
                continue
            mean = decimal(fmean(utilisation for _slot, utilisation in told) / 10_000)
            yield Case(
                key=f"site:{one.site}",
                severity=Severity.NOTICE,
                window=window,
                statistics={"card_hours": len(told), "share": share, "utilisation": mean},
                subjects=(Subject(one.owner, site=one.site),),
                evidence=one.rows(busy),
            )


class CardsDoNotAddUp(Detector[Iterable[IdleSite]]):
    """The sum of the cards that a site tells of is not the number of cards that it has.

    Suspicious because sold and idle cards together are all cards. Statistic: allocated card-seconds over
    3600, plus the cards told as idle in the hour, over the installed ones. More than ``most`` in at least
    ``least_hours`` hours. A warning. The site's meter of energy is not compared with the sum of its cards:
    no such meter reaches the exchange. Not suspicious: cards sold for part of an hour and told as idle for
    the rest count twice, which ``most`` leaves room for.
    """

    name = "cards-do-not-add-up"
    title = _("More cards than are installed")
    says = _("In %(hours)s hours the site told of more cards than it has: %(most)s of %(installed)s.")
    figures: ClassVar = {
        "hours": (_("Hours with too many"), NUMBER),
        "most": (_("Most cards told of"), CARDS),
        "installed": (_("Installed"), CARDS),
    }

    def read(self, window: Window) -> Iterable[IdleSite]:
        return idle_sites(window)

    def judge(self, facts: Iterable[IdleSite], window: Window, limits: Thresholds) -> Iterator[Case]:
        for one in facts:
            idle: dict[datetime, int] = defaultdict(int)
            for slot, _card, _meters in one.idle:
                idle[slot] += 1
            cards = {slot: count + Decimal(one.sold.get(slot, 0)) / SECONDS for slot, count in idle.items()}
            too_many = [slot for slot, count in cards.items() if count > one.installed * limits["most"]]
            if len(too_many) < limits["least_hours"]:
                continue
            yield Case(
                key=f"site:{one.site}",
                severity=Severity.WARNING,
                window=window,
                statistics={
                    "hours": len(too_many),
                    "most": int(max(cards[slot] for slot in too_many)),
                    "installed": one.installed,
                },
                subjects=(Subject(one.owner, site=one.site),),
                evidence=one.rows(too_many),
            )
