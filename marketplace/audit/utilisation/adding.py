"""Sums of hours: by day, by month, and by place. Each row is made of the finer ones, never of itself."""

from __future__ import annotations

from dataclasses import dataclass

from marketplace.audit.utilisation.models import (
    MEASURES,
    FleetDay,
    FleetHour,
    FleetMonth,
    OfFleet,
    OfPlace,
    PlaceDay,
    PlaceHour,
)

COLUMNS = ", ".join(MEASURES)
# Sums of whole numbers are numeric in the database until they are told to be whole again.
SUMS = ", ".join(
    f"sum({name}){'' if name.startswith('np_') or name in {'amount', 'credited'} else '::bigint'} AS {name}"
    for name in MEASURES
)
REPLACED = ", ".join(f"{name} = excluded.{name}" for name in MEASURES)


# The bounds say nothing new, and let an index be used.
TOUCHED = """
    source.starts_at >= (SELECT min(date_trunc('{unit}', slot, 'UTC')) FROM utilisation_wanted)
    AND source.starts_at < (
        SELECT max(date_trunc('{unit}', slot, 'UTC')) + interval '1 {unit}' FROM utilisation_wanted)
    AND date_trunc('{unit}', source.starts_at, 'UTC') IN (
        SELECT date_trunc('{unit}', slot, 'UTC') FROM utilisation_wanted)
"""


@dataclass(frozen=True, slots=True)
class Sum:
    """Rows of ``target`` are sums over rows of ``source`` within the same hour, day or month."""

    source: type[OfFleet]
    target: type[OfFleet] | type[OfPlace]
    unit: str

    @property
    def keys(self) -> str:
        return "fleet_id" if issubclass(self.target, OfFleet) else "region_id, model_id"

    def computed(self, where: str = "true") -> str:
        """The rows as they should be, of the periods that contain a row of the source ``where``."""
        return f"""
            SELECT {self.keys}, date_trunc('{self.unit}', source.starts_at, 'UTC') AS starts_at, {SUMS}
            FROM {self.source._meta.db_table} source
            JOIN supply_fleet fleet ON fleet.id = source.fleet_id
            JOIN supply_site site ON site.id = fleet.site_id
            WHERE {where} GROUP BY {self.keys}, date_trunc('{self.unit}', source.starts_at, 'UTC')
        """  # noqa: S608 constants of this module

    def write(self) -> str:
        """Make anew the rows in whose periods something was wanted."""
        touched = TOUCHED.format(unit=self.unit)
        if issubclass(self.target, OfFleet):
            touched += " AND source.fleet_id IN (SELECT fleet_id FROM utilisation_wanted)"
        return f"""
            INSERT INTO {self.target._meta.db_table} ({self.keys}, starts_at, {COLUMNS})
            {self.computed(touched)}
            ON CONFLICT ({self.keys}, starts_at) DO UPDATE SET {REPLACED}
        """


# In this order: months are made of days.
SUMMED = (
    Sum(FleetHour, FleetDay, "day"),
    Sum(FleetDay, FleetMonth, "month"),
    Sum(FleetHour, PlaceHour, "hour"),
    Sum(FleetDay, PlaceDay, "day"),
)
