"""The proof that rows say what the facts say: everything is computed again and compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from accounts import audit
from accounts.actors import Actor
from billing.metering import hours as metering
from marketplace.audit.utilisation.adding import SUMMED, Sum
from marketplace.audit.utilisation.hours import COMPUTED, PARAMETERS
from marketplace.audit.utilisation.models import MEASURES, FleetHour, RolledUntil
from marketplace.audit.utilisation.services import want, write_wanted

A_DAY = timedelta(days=1)
COMPARED = f"""
    SELECT {{keys}}, starts_at, {{kept}}, {{computed}}
    FROM (SELECT * FROM {{table}} WHERE starts_at >= %(since)s AND starts_at < %(until)s) AS kept
    FULL JOIN ({{query}}) AS computed USING ({{keys}}, starts_at)
    WHERE ({", ".join(f"kept.{name}" for name in MEASURES)})
        IS DISTINCT FROM ({", ".join(f"computed.{name}" for name in MEASURES)})
    ORDER BY starts_at, {{keys}}
"""  # noqa: S608 constants of this module
KEPT = ", ".join(f"kept.{name}" for name in MEASURES)
FOUND = ", ".join(f"computed.{name}" for name in MEASURES)


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that does not say what was computed; each figure as it is kept and as it was computed."""

    row: str
    figures: dict[str, tuple[object, object]]

    def __str__(self) -> str:
        told = ", ".join(f"{name} is {kept}, not {found}" for name, (kept, found) in self.figures.items())
        return f"{self.row}: {told}"


def unmetered(*, since: datetime, until: datetime) -> list[str]:
    """Hours of metering in ``[since, until)`` that are not the sum of their readings."""
    return [str(each) for each in metering.differences(since=since, until=until)]


def differences(*, since: datetime, until: datetime) -> Iterator[Difference]:
    """Rows in ``[since, until)`` that are not what the facts say: hours first, then what they are summed to.

    Sums are compared with the hours, for whole days and months of which any hour lies in the window.
    """
    moment = since
    while moment < until:
        day = min(until, moment + A_DAY)
        yield from _hours_that_differ(moment, day)
        moment = day
    for each in SUMMED:
        yield from _sums_that_differ(each, since, until)


@transaction.atomic
def _hours_that_differ(since: datetime, until: datetime) -> list[Difference]:
    want(since=since, until=until)
    found = _compare("fleet_hour", FleetHour._meta.db_table, "fleet_id", COMPUTED, PARAMETERS, since, until)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE utilisation_wanted")
    return found


def _sums_that_differ(each: Sum, since: datetime, until: datetime) -> list[Difference]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT date_trunc('{each.unit}', %s, 'UTC'),"
            f" date_trunc('{each.unit}', %s - interval '1 microsecond', 'UTC') + interval '1 {each.unit}'",
            [since, until],
        )
        first, last = cursor.fetchone()
    query = each.computed("source.starts_at >= %(since)s AND source.starts_at < %(until)s")
    return _compare(
        each.target._meta.model_name or "", each.target._meta.db_table, each.keys, query, {}, first, last
    )


def _compare(
    name: str, table: str, keys: str, query: str, parameters: dict[str, str], since: datetime, until: datetime
) -> list[Difference]:
    statement = COMPARED.format(keys=keys, table=table, kept=KEPT, computed=FOUND, query=query)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters | {"since": since, "until": until})
        return [_difference(name, keys, row) for row in cursor.fetchall()]


def _difference(name: str, keys: str, row: tuple[object, ...]) -> Difference:
    width = len(keys.split(",")) + 1
    kept, found = row[width : width + len(MEASURES)], row[width + len(MEASURES) :]
    both = zip(MEASURES, kept, found, strict=True)
    told = " ".join(str(part) for part in row[:width])
    return Difference(f"{name} {told}", {which: (old, new) for which, old, new in both if old != new})


def repair(*, since: datetime, until: datetime, now: datetime, actor: Actor) -> None:
    """Compute every hour in ``[since, until)`` again, and write it and its sums."""
    moment = since
    while moment < until:
        day = min(until, moment + A_DAY)
        with transaction.atomic():
            want(since=moment, until=day)
            rows = write_wanted()
            data = {"since": moment.isoformat(), "until": day.isoformat(), "rows": rows}
            seen = RolledUntil.objects.get()
            audit.record(actor=actor, action="utilisation.rebuilt", target=seen, now=now, data=data)
        moment = day
