"""What buyers say that they saw: kept for ever beside the site's readings, and never rated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Viewer
from billing.rating.disputes import require_party
from billing.rating.models import UsageReport
from marketplace.agreements.models import Agreement
from marketplace.clock import HOUR, floor_hour
from marketplace.errors import DomainError, InvalidInput


class ReportConflict(DomainError):
    code = "usage_report_conflict"
    title = gettext_noop("This name was used for another report")
    status = 409


@dataclass(frozen=True, slots=True)
class Seen:
    """Card-seconds that a buyer saw in a slot, under a name of the buyer's own."""

    slot: datetime
    quantity: int
    name: str
    note: str = ""


@transaction.atomic
def report_usage(
    *, viewer: Viewer, agreement: Agreement, seen: Seen, now: datetime
) -> tuple[UsageReport, bool]:
    """Keep a buyer's report; returns it, and whether it is new.

    The same report again is the same one; another one under the same name is a ``ReportConflict``.
    """
    actor = require_party(viewer, agreement.buyer_id)
    _check(agreement, seen, now=now)
    facts = {"slot": seen.slot, "quantity": seen.quantity, "note": seen.note}
    report, is_new = UsageReport.objects.get_or_create(
        agreement=agreement, name=seen.name, defaults=facts | {"reported_at": now}
    )
    if not is_new and any(getattr(report, name) != value for name, value in facts.items()):
        raise ReportConflict(_("It is kept as it was. Send another report under a name of its own."))
    if is_new:
        audit.record(
            actor=actor,
            action="rating.usage_reported",
            target=report,
            organisation=agreement.buyer_id,
            now=now,
            data={"agreement": agreement.pk, "slot": seen.slot.isoformat(), "quantity": seen.quantity},
        )
    return report, is_new


def _check(agreement: Agreement, seen: Seen, *, now: datetime) -> None:
    wrong = {}
    if floor_hour(seen.slot) != seen.slot or not agreement.starts_at <= seen.slot < agreement.ends_at:
        wrong["slot"] = _("Give the beginning of an hour of the agreement, in UTC.")
    elif seen.slot + HOUR > now:
        wrong["slot"] = _("This hour is not over.")
    if not 0 <= seen.quantity <= agreement.cards * 3600:
        wrong["quantity"] = _("All cards of the agreement have %(most)s card-seconds in an hour.") % {
            "most": f"{agreement.cards * 3600:,}"
        }
    if not seen.name.strip():
        wrong["name"] = _("Give the report a name of its own.")
    if wrong:
        raise InvalidInput(_("Nothing was reported."), wrong)
