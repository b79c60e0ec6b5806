"""What became of installed cards, added up by hour, day and month.

Every row is computed from the book, the deliveries, the readings and the charges (``hours``), and can be
computed again (``rebuilding``). Nothing refers to a row, and a missing one says that nobody looked yet, never
that nothing happened.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q

from marketplace.catalogue.models import AcceleratorModel, Region, WorkloadClass
from marketplace.guards import NEVER_CHANGED, NEVER_EMPTIED
from marketplace.supply.models import Fleet

# nP-seconds are those of this class of work: every catalogue of profiles has begun with it, so it leaves the
# fewest cards without a rate, and the reference card is 1 in it as in every other.
REFERENCE_WORKLOAD = WorkloadClass.TRAINING


def _card_seconds(help_text: str = "") -> models.BigIntegerField[int, int]:
    return models.BigIntegerField(default=0, help_text=help_text)


def _np_seconds() -> models.DecimalField[Decimal | None, Decimal | None]:
    return models.DecimalField(max_digits=38, decimal_places=6, null=True)


class Measures(models.Model):
    """Five levels in card-seconds, what is lost between each two of them, and how much of it is known.

    Each level is the one before it less its losses, to the second:

    - ``installed`` - ``not_offered`` = ``offered``
    - ``offered`` - ``unsold_price`` - ``unsold_constraints`` - ``unsold_unasked`` - ``unsold_unknown``
      = ``sold``
    - ``sold`` - ``not_called`` - ``outage`` - ``given_up`` - ``unreported`` + ``excess`` = ``allocated``
    - ``allocated`` - ``idle`` - ``activity_unknown`` = ``active``

    nP-seconds are of ``REFERENCE_WORKLOAD``, by the profiles in force in the market run before the hour; they
    are empty where no profile was known, and ``unrated`` are the installed card-seconds of which that is so.
    ``amount`` is what usage was charged, ``credited`` what was given back for service levels and
    replacements, in the currency of the fleet's zone, with all corrections.
    """

    installed = _card_seconds()
    offered = _card_seconds("for sale, or sold")
    sold = _card_seconds("bought, or reserved for a term agreement")
    allocated = _card_seconds("as sites reported")
    active = _card_seconds("as sites reported")
    np_installed = _np_seconds()
    np_offered = _np_seconds()
    np_sold = _np_seconds()
    np_allocated = _np_seconds()
    np_active = _np_seconds()
    unrated = _card_seconds("installed, of models without a profile")
    not_offered = _card_seconds()
    unsold_price = _card_seconds("a lower ask would have sold it")
    unsold_constraints = _card_seconds("asked for, but what was required did not fit")
    unsold_unasked = _card_seconds("nobody asked for it")
    unsold_unknown = _card_seconds("no run says why")
    not_called = _card_seconds("reserved for a term agreement, and not called off")
    outage = _card_seconds("sold, and not there: late, suspended, failed or evicted")
    given_up = _card_seconds("sold, and ended early on the buyer’s account")
    unreported = _card_seconds("there by its state, and no reading says so: the agent is silent")
    excess = _card_seconds("reported beyond what was sold")
    idle = _card_seconds("allocated and not active; below 0 where more was active than allocated")
    activity_unknown = _card_seconds("allocated, and no reading says whether active")
    energy_wh = models.BigIntegerField(null=True, help_text="empty where nobody reported any")
    energy_card_seconds = _card_seconds("allocated, of which the energy is known")
    expected = models.BigIntegerField(default=0, help_text="hours of meters that deliveries owed")
    arrived = models.BigIntegerField(default=0, help_text="of these, the ones with a reading that counts")
    charged = _card_seconds("charged as usage")
    amount = models.DecimalField(max_digits=38, decimal_places=12, default=0)
    credited = models.DecimalField(max_digits=38, decimal_places=12, default=0)

    class Meta:
        abstract = True


LEVELS = ("installed", "offered", "sold", "allocated", "active")
UNSOLD = ("unsold_price", "unsold_constraints", "unsold_unasked", "unsold_unknown")
LOSSES = (
    "not_offered", *UNSOLD, "not_called", "outage", "given_up", "unreported", "excess", "idle",
    "activity_unknown",
)  # fmt: skip
MEASURES = tuple(field.name for field in Measures._meta.local_fields)
IDENTITIES = (
    Q(offered=models.F("installed") - models.F("not_offered")),
    Q(
        sold=models.F("offered")
        - models.F("unsold_price")
        - models.F("unsold_constraints")
        - models.F("unsold_unasked")
        - models.F("unsold_unknown")
    ),
    Q(
        allocated=models.F("sold")
        - models.F("not_called")
        - models.F("outage")
        - models.F("given_up")
        - models.F("unreported")
        + models.F("excess")
    ),
    Q(active=models.F("allocated") - models.F("idle") - models.F("activity_unknown")),
)


def _steps_add_up(name: str) -> list[models.BaseConstraint]:
    return [
        models.CheckConstraint(condition=identity, name=f"{name}_step_{number}")
        for number, identity in enumerate(IDENTITIES, start=1)
    ]


class OfFleet(Measures):
    """``starts_at`` is the beginning of the hour, the UTC day or the UTC month."""

    pk = models.CompositePrimaryKey("fleet_id", "starts_at")
    # No constraint: rows are written by the hundred thousand, and fleets are never deleted.
    fleet = models.ForeignKey(
        Fleet, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    starts_at = models.DateTimeField(db_index=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"F{self.fleet_id} {self.starts_at:%F %H}"


class FleetHour(OfFleet):
    class Meta:
        constraints: ClassVar = _steps_add_up("fleet_hour")


class FleetDay(OfFleet):
    """The sum of the hours of a UTC day."""


class FleetMonth(OfFleet):
    """The sum of the days of a UTC month."""


class OfPlace(Measures):
    """The fleets of one model in one region together: what a nation is added up from in milliseconds."""

    pk = models.CompositePrimaryKey("region_id", "model_id", "starts_at")
    region = models.ForeignKey(
        Region, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    model = models.ForeignKey(
        AcceleratorModel, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    starts_at = models.DateTimeField(db_index=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.region_id}/{self.model_id} {self.starts_at:%F %H}"


class PlaceHour(OfPlace):
    """The sum of the hours of its fleets."""


class PlaceDay(OfPlace):
    """The sum of the days of its fleets."""


class RolledUntil(models.Model):
    """How far the hours were added up, and which changes of the past are in them. One row.

    ``reading``, ``charge_run`` and ``seal`` are the newest reading, rating run and link of the audit chain
    that were seen.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField(help_text="the first hour of the market")
    until = models.DateTimeField()
    reading = models.BigIntegerField()
    charge_run = models.BigIntegerField()
    seal = models.BigIntegerField()
    rolled_at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="rolled_until_once")]

    def __str__(self) -> str:
        return f"{self.since:%F %H} to {self.until:%F %H}"


class Bulletin(models.Model):
    """A monthly bulletin as it was published. Publishing a month again makes another number of it."""

    month = models.DateField()
    number = models.PositiveSmallIntegerField()
    published_at = models.DateTimeField(help_text="market time")
    html_en = models.TextField()
    html_zh = models.TextField()
    pdf_en = models.BinaryField()
    pdf_zh = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["month", "number"], name="bulletin_once_a_number"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}/{self.number}"
