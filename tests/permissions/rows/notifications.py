"""Everybody reads what they were told themselves."""

from __future__ import annotations

from marketplace.notifications.models import Kind, Notification
from marketplace.notifications.services import News, notify
from tests.cast import Cast
from tests.conftest import NOW
from tests.permissions.objects import Given
from tests.permissions.table import Row, everybody

OWN = everybody(200) | {"anonymous": 302}
DONE = everybody(302)


def told_to_the_viewer(cast: Cast) -> Given:
    notify(
        News(
            kind=Kind.JOB_ENDED,
            organisation=cast.owner.pk,
            key="1",
            page=("jobs:jobs",),
            facts={"job": "J1"},
            only=cast.owner_viewer,
        ),
        now=NOW,
    )
    return {"pk": Notification.objects.get().pk}


ROWS = [
    Row("notifications:notifications", OWN),
    Row("notifications:preferences", OWN),
    # Who belongs to an organisation has to say something about each kind; the others have nothing to say.
    Row(
        "notifications:preferences",
        everybody(422) | dict.fromkeys(("anonymous", "auditor", "operator"), 302),
        method="POST",
    ),
    Row("notifications:read_all", DONE, method="POST"),
    Row(
        "notifications:open",
        everybody(404) | {"anonymous": 302, "viewer": 302},
        method="POST",
        given=told_to_the_viewer,
    ),
]
