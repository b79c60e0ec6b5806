"""Telling what the power of a site is. What was told stays; what is told later counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from marketplace.energy.files import lines_of
from marketplace.energy.models import EnergyBatch, EnergyFile, EnergyHour
from marketplace.errors import DomainError, InvalidInput
from marketplace.supply.models import Site

ROWS_AT_ONCE = 2_000


class FileNotReady(DomainError):
    code = "energy_file_not_ready"
    title = gettext_noop("The file cannot be imported yet")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where hours come from: ``source`` and ``basis`` as ``EnergyBatch`` has them."""

    source: str
    name: str
    basis: str
    content: bytes


@transaction.atomic
def tell(
    *,
    viewer: Viewer,
    site: Site,
    origin: Provenance,
    hours: Sequence[dict[str, Any]],
    now: datetime,
) -> EnergyBatch:
    """Keep hours that ``HourForm`` has read; they count from now on, beside what was told before."""
    actor = viewer.require(Capability.TRADE, site.owner_id)
    batch = EnergyBatch.objects.create(
        site=site,
        source=origin.source,
        name=origin.name,
        basis=origin.basis,
        digest=hashlib.sha256(origin.content).hexdigest(),
        told_by=str(actor),
        told_at=now,
    )
    rows = (EnergyHour(batch=batch, site=site, **each) for each in hours)
    EnergyHour.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    _record(actor, "energy.told", batch, now, hours=len(hours), digest=batch.digest)
    return batch


@transaction.atomic
def open_file(*, viewer: Viewer, site: Site, name: str, basis: str, text: str, now: datetime) -> EnergyFile:
    """Keep a file until somebody confirms it. ``InvalidInput`` where it is no such file."""
    actor = viewer.require(Capability.TRADE, site.owner_id)
    if actor.user is None:
        raise InvalidInput(_("Only people import files; programs tell hours over the API."))
    if "\0" in text:
        raise InvalidInput(_("The file is no text. Save it as CSV."))
    lines_of(text, now)
    opened = EnergyFile.objects.create(
        site=site, name=name[:120], basis=basis, text=text, created_by=actor.user, created_at=now
    )
    _record(actor, "energy_file.opened", opened, now, name=opened.name)
    return opened


@transaction.atomic
def confirm(*, viewer: Viewer, file: EnergyFile, left_out: bool, now: datetime) -> EnergyBatch:
    """Tell the hours of a file. Lines that are wrong are left out if asked for, else they refuse it all.

    Locks the file: confirming it twice gives the same batch.
    """
    viewer.require(Capability.TRADE, file.site.owner_id)
    locked = (
        EnergyFile.objects.select_for_update(no_key=True, of=("self",)).select_related("site").get(pk=file.pk)
    )
    if locked.batch is not None:
        return locked.batch
    lines = lines_of(locked.text, now)
    wrong = sum(1 for line in lines if line.problems)
    right = [line.given for line in lines if not line.problems]
    if not right or (wrong and not left_out):
        message = _("%(wrong)s lines are wrong. Leave them out, or mend the file and read it again.")
        raise FileNotReady(message % {"wrong": wrong})
    origin = Provenance(EnergyBatch.Source.FILE, locked.name, locked.basis, locked.text.encode())
    locked.batch = tell(viewer=viewer, site=locked.site, origin=origin, hours=right, now=now)
    locked.save(update_fields=["batch"])
    return locked.batch


def _record(actor: Actor, action: str, target: EnergyBatch | EnergyFile, now: datetime, **data: Any) -> None:
    owner = target.site.owner_id
    audit.record(actor=actor, action=action, target=target, now=now, organisation=owner, data=data)
