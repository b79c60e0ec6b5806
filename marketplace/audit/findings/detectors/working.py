"""Busy without work: cards that are kept busy so that they look used.

The exchange meters no network or storage traffic, so “busy without traffic” is not looked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from statistics import fmean
from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from marketplace.audit.findings import facts
from marketplace.audit.findings.cases import Case, Figure, Subject, Window
from marketplace.audit.findings.detectors.base import HOURS_LOOKED_AT, NUMBER, SHARE, WATTS, Detector
from marketplace.audit.findings.facts import Hour
from marketplace.audit.findings.models import Severity
from marketplace.audit.findings.statistics import decimal, last_digits, ratio, repeated, variation
from marketplace.audit.findings.thresholds import Thresholds

Sites = Iterable[list[Hour]]


class OfSites(Detector[Sites]):
    """Looks at one site after the other; ``look`` says what it found there, or nothing."""

    severity = Severity.WARNING

    def read(self, window: Window) -> Sites:
        return facts.hours_by_site(window)

    def judge(self, facts: Sites, window: Window, limits: Thresholds) -> Iterator[Case]:
        for hours in facts:
            found = self.look(hours, limits)
            if found is None:
                continue
            statistics, telling = found
            yield Case(
                key=f"site:{hours[0].site}",
                severity=self.severity,
                window=window,
                statistics=statistics,
                subjects=(Subject(hours[0].owner, site=hours[0].site),),
                evidence=tuple(hour.row() for hour in telling),
            )

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        """Statistics, and the hours that show it best, or nothing."""
        raise NotImplementedError


def by_slot(hours: Iterable[Hour]) -> dict[datetime, list[Hour]]:
    slots: dict[datetime, list[Hour]] = defaultdict(list)
    for hour in hours:
        slots[hour.slot].append(hour)
    return slots


class ConstantLoad(OfSites):
    """Cards that are all but fully busy in nearly every hour, at a power that hardly moves: mining.

    Suspicious because real work has pauses: data are loaded, checkpoints written, jobs begin and end, and
    requests follow the day. In production traces the mean duty cycle is far below a half. Statistics, over
    all deliveries of a site together: the share of hours with a duty cycle (active over allocated) of at
    least ``busy``, and the coefficient of variation of the power per card over the hours (standard deviation
    over mean). At least ``least_share`` of at least ``least_hours`` hours, and a variation of at most
    ``most_variation``. Serious. Not suspicious: one long training run can look like this for a day or two,
    which is why it takes ``least_hours``.
    """

    name = "constant-load"
    title = _("Always busy at constant power")
    severity = Severity.SERIOUS
    says = _(
        "In %(busy_share)s of %(hours)s hours all sold cards were all but fully busy, and their power varied "
        "by %(variation)s only."
    )
    figures: ClassVar = {
        "hours": HOURS_LOOKED_AT,
        "busy_share": (_("Share of hours with hardly a pause"), SHARE),
        "duty": (_("Mean duty cycle"), SHARE),
        "watts": (_("Mean power of a card"), WATTS),
        "variation": (_("Variation of the power"), SHARE),
    }

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        known = [hour for hour in hours if hour.active is not None and hour.energy]
        slots = list(by_slot(known).values())
        if len(slots) < limits["least_hours"]:
            return None
        duties = [sum(h.active or 0 for h in slot) / sum(h.allocated for h in slot) for slot in slots]
        watts = [sum(h.energy or 0 for h in slot) * 3600 / sum(h.allocated for h in slot) for slot in slots]
        busy = ratio(sum(duty >= limits["busy"] for duty in duties), len(slots))
        varies = variation(watts)
        if busy < limits["least_share"] or varies > limits["most_variation"]:
            return None
        statistics: dict[str, Figure] = {
            "hours": len(slots),
            "busy_share": busy,
            "duty": decimal(fmean(duties)),
            "watts": decimal(fmean(watts)),
            "variation": varies,
        }
        return statistics, known


class SameLoad(OfSites):
    """All deliveries of a site carry the same load in the same hour, whoever bought them.

    Suspicious because buyers do not know each other: their work is not in step. It is where one program
    runs on everything, or where the figures are made. Statistic: the share of hours with at least
    ``least_deliveries`` deliveries side by side in which neither their duty cycles nor their power per card
    are further apart than ``most_apart`` and ``most_power_apart`` (largest less smallest, the power relative
    to its mean). Hours with a mean duty below ``least_duty`` do not count: idle cards are all alike. At least
    ``least_share`` of at least ``least_hours``. Readings are of a delivery, not of a card, so cards inside of
    one delivery are not compared. Not suspicious: one buyer with several deliveries for one job, so they
    have to be of two buyers at least.
    """

    name = "same-load"
    title = _("The same load everywhere at all hours")
    says = _("In %(same_share)s of %(hours)s hours the deliveries of different buyers carried the same load.")
    figures: ClassVar = {
        "hours": (_("Hours with several deliveries"), NUMBER),
        "same_share": (_("Share of hours with one load"), SHARE),
        "apart": (_("Mean distance of duty cycles"), SHARE),
    }

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        slots = [
            slot
            for slot in by_slot(hour for hour in hours if hour.active is not None).values()
            if len(slot) >= limits["least_deliveries"]
            and len({hour.buyer for hour in slot}) > 1
            and fmean(hour.duty for hour in slot) >= limits["least_duty"]
        ]
        if len(slots) < limits["least_hours"]:
            return None
        apart = [_range([hour.duty for hour in slot]) for slot in slots]
        same = [
            slot
            for slot, distance in zip(slots, apart, strict=True)
            if distance <= limits["most_apart"] and _power_apart(slot) <= limits["most_power_apart"]
        ]
        share = ratio(len(same), len(slots))
        if share < limits["least_share"]:
            return None
        statistics: dict[str, Figure] = {
            "hours": len(slots),
            "same_share": share,
            "apart": decimal(fmean(apart)),
        }
        return statistics, [hour for slot in same for hour in slot]


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _power_apart(slot: Sequence[Hour]) -> float:
    watts = [hour.watts for hour in slot if hour.energy]
    mean = fmean(watts) if watts else 0.0
    return _range(watts) / mean if mean else 0.0


def partly_busy(hours: Iterable[Hour]) -> list[Hour]:
    """Without the hours in which cards stood idle or had no pause at all: those repeat by nature."""
    return [hour for hour in hours if hour.energy and hour.active and 0.01 < hour.duty < 0.99]


class RepeatedReadings(OfSites):
    """The same readings come again: made once and sent many times.

    Suspicious because card-seconds and watt-hours of an hour are large numbers, and two hours that agree in
    both to the last digit are rare. Statistic: of the hours with a duty cycle of ``least_duty`` to 99 %,
    the share whose card-seconds and energy the delivery had before. Idle and saturated cards repeat, and so
    does housekeeping. At least ``least_share`` of at least ``least_hours``: one or two cards that train
    steadily repeat up to 53 % of their hours in the demo's trace, a day that is sent thrice 67 %. Serious.
    Not suspicious: a job that repeats exactly every hour, which no scheduler manages to the second.
    """

    name = "repeated-readings"
    title = _("Readings that repeat")
    severity = Severity.SERIOUS
    says = _("%(repeated)s of %(hours)s hours reported what an earlier hour had reported, to the last digit.")
    figures: ClassVar = {
        "hours": HOURS_LOOKED_AT,
        "repeated": (_("Share that was there before"), SHARE),
    }

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        known = [hour for hour in partly_busy(hours) if hour.duty >= limits["least_duty"]]
        if len(known) < limits["least_hours"]:
            return None
        share = repeated([(hour.delivery, hour.allocated, hour.active, hour.energy) for hour in known])
        if share < limits["least_share"]:
            return None
        return {"hours": len(known), "repeated": share}, known


class TooPerfect(OfSites):
    """Series that are too good to be measured: a load that does not move, or figures that are all round.

    Suspicious because a meter has noise. Statistics: the coefficient of variation of the duty cycle over the
    hours in which cards were partly busy, delivery by delivery, weighted by hours; and the share of hourly
    energies of at least 1,000 Wh that are multiples of 100, of which chance gives one in a hundred. A
    variation of at most ``most_variation``, or at least ``round_share`` round ones, over at least
    ``least_hours``. Not suspicious: a meter that reports in steps of 100 Wh, which its data sheet says.
    """

    name = "too-perfect"
    title = _("Too perfect to be measured")
    says = _(
        "Over %(hours)s hours the load varied by %(variation)s, and %(round)s of the energies were round."
    )
    figures: ClassVar = {
        "hours": HOURS_LOOKED_AT,
        "variation": (_("Variation of the duty cycle"), SHARE),
        "round": (_("Energies that are multiples of 100 Wh"), SHARE),
    }

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        known = partly_busy(hours)
        if len(known) < limits["least_hours"]:
            return None
        series: dict[int, list[float]] = defaultdict(list)
        for hour in known:
            series[hour.delivery].append(hour.duty)
        several = [values for values in series.values() if len(values) > 1]
        large = [hour.energy or 0 for hour in known if (hour.energy or 0) >= 1000]
        rounded = ratio(sum(energy % 100 == 0 for energy in large), len(large))
        varies = (
            ratio(sum(variation(values) * len(values) for values in several), sum(map(len, several)))
            if several
            else None
        )
        is_flat = varies is not None and varies <= limits["most_variation"]
        is_round = len(large) >= limits["least_hours"] and rounded >= limits["round_share"]
        if not is_flat and not is_round:
            return None
        statistics: dict[str, Figure] = {"hours": len(known), "round": rounded}
        return statistics | ({} if varies is None else {"variation": varies}), known


class Digits(OfSites):
    """Last digits of energies that are not spread evenly: figures that somebody wrote.

    Suspicious because the last digit of a large measured number is as good as random, and people who make up
    numbers avoid some digits. Statistics: χ² of the last digits of hourly watt-hours of at least 1,000
    against equal shares, with nine degrees of freedom, and Cramér's V for its size (Nigrini, Benford's Law,
    2012, on last digits). χ² of at least ``least_square`` and V of at least ``least_size`` over at least
    ``least_hours``. Benford's law of first digits is not used: the energy of one site in an hour spans too
    few orders of magnitude for it to hold. Not suspicious: a meter with steps, see ``too-perfect``.
    """

    name = "digits"
    title = _("Last digits that are not random")
    severity = Severity.NOTICE
    says = _(
        "The last digits of %(hours)s hourly energies are not spread evenly (χ² = %(square)s, V = %(size)s)."
    )
    figures: ClassVar = {
        "hours": HOURS_LOOKED_AT,
        "square": (_("χ², nine degrees of freedom"), NUMBER),
        "size": (_("Cramér’s V"), NUMBER),
    }

    def look(
        self, hours: Sequence[Hour], limits: Thresholds
    ) -> tuple[dict[str, Figure], Sequence[Hour]] | None:
        # A duty cycle of nothing or of one gives the same energy each hour, and so the same digit.
        known = [hour for hour in partly_busy(hours) if (hour.energy or 0) >= 1000]
        if len(known) < limits["least_hours"]:
            return None
        square, size = last_digits([hour.energy or 0 for hour in known])
        if square < limits["least_square"] or size < limits["least_size"]:
            return None
        return {"hours": len(known), "square": square, "size": size}, known
