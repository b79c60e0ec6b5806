"""The registry of hourly certificates, and matching them with what was drawn in their hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import NumericRange
from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Capability, Viewer
from marketplace.agreements.models import Agreement
from marketplace.audit.carbon.figures import metered
from marketplace.audit.carbon.models import Certificate, CertificateUse
from marketplace.clock import HOUR
from marketplace.errors import DomainError
from marketplace.supply.models import Site


class SerialTaken(DomainError):
    code = "certificate_serial_taken"
    title = gettext_noop("The certificate is registered already")


@dataclass(frozen=True, slots=True)
class CertificateInput:
    """``first_serial`` and ``last_serial`` are both included."""

    issuer: str
    first_serial: int
    last_serial: int
    plant: str
    hour: datetime
    wh: int


@transaction.atomic
def register(
    *, viewer: Viewer, site: Site, certificates: Iterable[CertificateInput], now: datetime
) -> list[Certificate]:
    """Register certificates of a site: all of them, or none where a serial number is registered already."""
    actor = viewer.require(Capability.TRADE, site.owner_id)
    rows = [
        Certificate(
            issuer=each.issuer,
            serials=NumericRange(each.first_serial, each.last_serial + 1),
            site=site,
            plant=each.plant,
            hour=each.hour,
            wh=each.wh,
            told_by=str(actor),
            told_at=now,
        )
        for each in certificates
    ]
    try:
        with transaction.atomic():
            made = Certificate.objects.bulk_create(rows)
    except IntegrityError as error:
        if "certificate_serial_once" not in str(error):
            raise
        message = _("A serial number of this issuer is registered already, here or for another site.")
        raise SerialTaken(message) from error
    data = {"certificates": len(made), "wh": sum(each.wh for each in made)}
    audit.record(
        actor=actor,
        action="certificates.registered",
        target=site,
        now=now,
        organisation=site.owner_id,
        data=data,
    )
    return made


@transaction.atomic
def match(*, viewer: Viewer, site: Site, now: datetime) -> Sequence[CertificateUse]:
    """Use what certificates of the site have left for what agreements drew there in the same hours.

    The oldest agreement first. Locks the certificates, so that nobody else uses them meanwhile.
    """
    actor = viewer.require(Capability.TRADE, site.owner_id)
    held = list(Certificate.objects.select_for_update().filter(site=site, hour__lt=now).order_by("pk"))
    uses = CertificateUse.objects.filter(certificate__site=site).order_by("certificate")
    used = dict(uses.values_list("certificate").annotate(Sum("wh")))
    left = [(each, each.wh - used.get(each.pk, 0)) for each in held]
    open_hours = {each.hour for each, wh in left if wh > 0}
    made: list[CertificateUse] = []
    uncovered = _uncovered(site, open_hours)
    for certificate, wh in left:
        made += _uses(certificate, wh, uncovered.get(certificate.hour, {}), now)
    CertificateUse.objects.bulk_create(made)
    data = {"uses": len(made), "wh": sum(each.wh for each in made)}
    audit.record(
        actor=actor,
        action="certificates.matched",
        target=site,
        now=now,
        organisation=site.owner_id,
        data=data,
    )
    return made


def _uses(
    certificate: Certificate, wh: int, uncovered: dict[Agreement, int], now: datetime
) -> Iterable[CertificateUse]:
    """Lessens what is uncovered by what is used."""
    for agreement, needed in uncovered.items():
        taken = min(wh, needed)
        if taken > 0:
            wh, uncovered[agreement] = wh - taken, needed - taken
            yield CertificateUse(certificate=certificate, agreement=agreement, wh=taken, matched_at=now)


def _uncovered(site: Site, hours: set[datetime]) -> dict[datetime, dict[Agreement, int]]:
    """By hour what each agreement drew from the grid and no certificate covers, Wh."""
    found: dict[datetime, dict[Agreement, int]] = {hour: {} for hour in hours}
    if not hours:
        return found
    agreements = Agreement.objects.filter(
        allocation__offer__fleet__site=site, starts_at__lt=max(hours) + HOUR, ends_at__gt=min(hours)
    ).select_related("allocation__offer__fleet__model", "allocation__offer__fleet__site__region")
    for agreement in agreements.order_by("pk"):
        figures = metered(agreement)
        for hour in figures.hours if figures else ():
            if hour.hour in found and hour.uncovered:
                found[hour.hour][agreement] = hour.uncovered
    return found
