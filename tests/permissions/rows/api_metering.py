"""Meter events come from agents; both parties read the readings, the owner and the exchange the conflicts."""

from __future__ import annotations

from billing.metering.events import BATCH
from billing.metering.models import ReadingConflict
from tests.billing.builders import event
from tests.cast import Cast
from tests.permissions.objects import a_conflict, a_reading, the_active_delivery
from tests.permissions.rows.api_delivery import agents
from tests.permissions.table import EXCHANGE, PARTIES, READERS, Row, api_list, page


def a_batch(cast: Cast) -> list[object]:
    return [event(the_active_delivery(cast))]


def the_conflict(cast: Cast) -> dict[str, object]:
    a_conflict(cast)
    return {"pk": ReadingConflict.objects.get().pk}


ROWS = [
    # Each event is answered on its own: a stranger's is rejected, inside of the answer.
    Row(
        "api:meter-events",
        agents(token_stranger=200),
        method="POST",
        body=a_batch,
        content_type=BATCH,
    ),
    Row("api:reading-list", api_list(), given=a_reading, shown_to=PARTIES),
    Row("api:reading-list", api_list(), of="buyer", given=a_reading, shown_to=PARTIES),
    Row("api:metered-hour-list", api_list(), given=a_reading, shown_to=PARTIES),
    Row("api:metered-hour-list", api_list(), of="buyer", given=a_reading, shown_to=PARTIES),
    Row("api:reading-conflict-list", api_list(), given=a_conflict, shown_to=READERS),
    Row(
        "api:reading-conflict-list",
        api_list(),
        of="buyer",
        given=a_conflict,
        shown_to=EXCHANGE | {"counterparty"},
    ),
    Row("billing:conflicts", page(stranger=200, counterparty=200)),
    Row("billing:conflict", page(counterparty=404), given=the_conflict),
]
