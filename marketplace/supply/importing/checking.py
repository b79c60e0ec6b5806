"""What is wrong with the lines of a file, each by itself and all of them together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import chain
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from marketplace.clock import HOUR, LATEST, floor_hour
from marketplace.supply import rules
from marketplace.supply.fleet_hours import FleetHours, fleet_hours
from marketplace.supply.importing.columns import Values
from marketplace.supply.models import Fleet
from marketplace.supply.rules import OfferInput

Problem = dict[str, str]
# What the rules call a field, and the column that it comes from.
COLUMN_OF = {"starts_at": "from", "ends_at": "until", "asks": "ask"}


@dataclass(frozen=True, slots=True)
class Read:
    """What a line says, as far as it can be read."""

    fleet: Fleet | None
    offer: OfferInput | None
    problems: Problem


@dataclass
class Checker:
    """Checks lines one after the other: each is judged beside what is listed and the lines before it."""

    fleets: Mapping[tuple[str, str], Sequence[Fleet]]
    now: datetime
    books: dict[int, FleetHours] = field(default_factory=dict)
    taken: dict[tuple[int, datetime], int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def of(cls, fleets: Iterable[Fleet], now: datetime) -> Checker:
        """The fleets must come with site, region and model; a fleet is found by any name of these."""
        by_name: dict[tuple[str, str], list[Fleet]] = defaultdict(list)
        for fleet in fleets:
            for site in {fleet.site.name_en.lower(), fleet.site.name_zh.lower()}:
                for model in {str(fleet.model).lower(), fleet.model.name.lower(), fleet.model.slug}:
                    by_name[site, model].append(fleet)
        return cls(by_name, now)

    def read(self, values: Values) -> Read:
        problems: Problem = {}
        fleet = self._fleet(values, problems)
        offer = _offer(values, fleet, problems)
        if fleet is not None and offer is not None:
            for name, problem in chain(
                rules.offer_problems(offer, fleet), rules.not_in_the_past(offer.starts_at, self.now)
            ):
                problems.setdefault(COLUMN_OF.get(name, name), problem)
            if not problems:
                problems.update(self._clash(fleet, offer))
        return Read(fleet, offer, problems)

    def _fleet(self, values: Values, problems: Problem) -> Fleet | None:
        found = self.fleets.get((values["site"].lower(), values["model"].lower()), ())
        if len(found) == 1:
            return found[0]
        if found:
            problems["model"] = _("This site has several fleets of the model; list these on the calendar.")
        elif any(site == values["site"].lower() for site, _model in self.fleets):
            problems["model"] = _("This site has no fleet of such a model.")
        else:
            problems["site"] = _("You have no site of this name with a fleet.")
        return None

    def _clash(self, fleet: Fleet, offer: OfferInput) -> Problem:
        book = self.books.get(fleet.pk)
        if book is None:
            book = self.books[fleet.pk] = fleet_hours(fleet, floor_hour(self.now), LATEST)
        slots = list(_slots(offer))
        held = max(book.listed.get(slot, 0) + self.taken[fleet.pk, slot] for slot in slots)
        problems = dict(rules.fits(offer.cards, held, fleet))
        if not problems:
            for slot in slots:
                self.taken[fleet.pk, slot] += offer.cards
        return problems


def _slots(offer: OfferInput) -> Iterator[datetime]:
    slot = offer.starts_at
    while slot < offer.ends_at:
        yield slot
        slot += HOUR


def _offer(values: Values, fleet: Fleet | None, problems: Problem) -> OfferInput | None:
    zone = ZoneInfo(fleet.site.region.time_zone) if fleet else ZoneInfo("UTC")
    cards = _whole(values, "cards", problems)
    starts_at, ends_at = (_moment(values, name, zone, problems) for name in ("from", "until"))
    ask = _decimal(values, "ask", problems)
    lot = _whole(values, "lot", problems, 1)
    shortest = _whole(values, "minimum_hours", problems, 1)
    notice = _whole(values, "notice_minutes", problems, 0)
    if problems or starts_at is None or ends_at is None:
        return None
    return OfferInput(cards, starts_at, ends_at, (ask,), lot, shortest, notice)


def _whole(values: Values, name: str, problems: Problem, usual: int | None = None) -> int:
    text = values[name].replace(",", "")
    if not text and usual is not None:
        return usual
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        problems[name] = _("A whole number is expected, for example 8.")
        return 0
    return int(text)


def _decimal(values: Values, name: str, problems: Problem) -> Decimal:
    try:
        number = Decimal(values[name])
    except InvalidOperation:
        number = Decimal("NaN")
    exponent = number.as_tuple().exponent
    if not number.is_finite() or not isinstance(exponent, int) or exponent < -6:
        problems[name] = _("A price is expected, for example 9.50, with six decimals at most.")
        return Decimal(0)
    return number


def _moment(values: Values, name: str, zone: ZoneInfo, problems: Problem) -> datetime | None:
    try:
        moment = parse_datetime(values[name].replace("/", "-"))
    except ValueError:
        moment = None
    if moment is None:
        problems[name] = _("A time is expected, for example 2026-03-02 08:00, in the time zone of the site.")
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        problems[name] = _("Give a time between the years 2000 and 2199.")
        return None
