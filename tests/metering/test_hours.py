"""Hours are the sum of their readings; the command that adds all up again proves it, or says where not."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts.models import AuditEvent
from billing.metering.models import MeteredHour
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, MINUTE, START, agent_of, event, make_delivery, send
from tests.cast import Cast
from tests.metering.scenes import correction, counted

pytestmark = pytest.mark.django_db


@pytest.fixture
def metered(cast: Cast) -> Delivery:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(
        agent_of(cast.owner),
        event(delivery, "a"),
        event(delivery, "b", at=START + MINUTE),
        event(delivery, "c", at=START + HOUR, quantity=5),
        event(delivery, "m", meter="utilisation.mean", quantity=5_000),
        correction(delivery, "d", "b", quantity=20, after=HOUR),
    )
    return delivery


def _run(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command("rebuild_hours", *arguments, stdout=out, stderr=err)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def test_what_was_written_with_the_readings_is_what_they_add_up_to(metered: Delivery) -> None:
    assert counted(metered) == {START: 500, START + HOUR: 5}
    assert _run() == (0, "3 hours, 0 that differ from their readings\n", "")


def test_every_difference_is_told_and_nothing_is_changed_before_it_is_asked_for(metered: Delivery) -> None:
    hours = MeteredHour.objects.filter(meter="card-seconds.allocated")
    hours.filter(slot=START).update(quantity=7)
    hours.filter(slot=START + HOUR).delete()
    MeteredHour.objects.create(
        delivery=metered, slot=START + 2 * HOUR, meter="energy.wh", quantity=1, weight=0, readings=1
    )
    MeteredHour.objects.filter(meter="utilisation.mean").update(weight=1)
    code, out, err = _run()
    assert (code, out) == (1, "3 hours, 4 that differ from their readings\n")
    name = f"D{metered.pk} 2026-03-02T"
    assert err.splitlines() == [
        f"{name}{hour}: the hour holds {kept}, its readings add up to {counted}"
        for hour, kept, counted in (
            ("09:00Z card-seconds.allocated", "7 in 2 events", "500 in 2 events"),
            (
                "09:00Z utilisation.mean",
                "300000000000 over 1 µs in 1 events",
                "300000000000 over 60000000 µs in 1 events",
            ),
            ("10:00Z card-seconds.allocated", "nothing", "5 in 1 events"),
            ("11:00Z energy.wh", "1 in 1 events", "nothing"),
        )
    ]


def test_repairing_makes_the_hours_anew_and_leaves_an_audit_event(metered: Delivery) -> None:
    before = sorted(MeteredHour.objects.values_list("slot", "meter", "quantity", "weight", "readings"))
    MeteredHour.objects.update(quantity=1)
    code, out, _ = _run("--repair")
    assert (code, out) == (0, "3 hours, 0 that differ from their readings\n")
    assert (
        sorted(MeteredHour.objects.values_list("slot", "meter", "quantity", "weight", "readings")) == before
    )
    assert AuditEvent.objects.filter(action="metering.hours_rebuilt").count() == 1


def test_only_the_hours_asked_for_are_looked_at(metered: Delivery) -> None:
    MeteredHour.objects.filter(slot=START + HOUR).update(quantity=1)
    assert _run("--until", "2026-03-02T10")[0] == 0
    assert _run("--since", "2026-03-02T11")[0] == 0
    assert _run("--since", "2026-03-02T10", "--until", "2026-03-02T11")[0] == 1
    with pytest.raises(CommandError, match="earlier"):
        call_command("rebuild_hours", "--since", "2026-03-02T11", "--until", "2026-03-02T11")


def test_a_mean_is_weighted_by_time(cast: Cast, client: Client) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(
        agent_of(cast.owner),
        event(delivery, "a", meter="utilisation.mean", quantity=9_000, seconds=600),
        event(delivery, "b", meter="utilisation.mean", quantity=1_000, seconds=1_800, at=START + 30 * MINUTE),
    )
    client.force_login(cast.auditor)
    (hour,) = client.get("/api/v1/metered-hours?meter=utilisation.mean").json()["results"]
    assert (hour["quantity"], hour["readings"]) == ("3000.000000", 2)


def test_the_hours_are_made_by_the_transaction_of_the_readings(metered: Delivery) -> None:
    """Whoever sees a reading sees it in its hour: both rows were written by one transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT xmin::text) FROM ("
            " SELECT xmin FROM metering_reading UNION SELECT xmin FROM metering_meteredhour"
            " UNION SELECT xmin FROM metering_eventkey) AS rows"
        )
        assert cursor.fetchone() == (1,)
