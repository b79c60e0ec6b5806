"""Imports of offers: begun with a file, mended line by line, confirmed once, listed by a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Capability, Viewer, viewer_of_user
from accounts.models import Organisation
from marketplace.errors import DomainError, InvalidInput
from marketplace.jobs import services as jobs
from marketplace.jobs.models import Job
from marketplace.supply.importing.checking import Checker
from marketplace.supply.importing.columns import COLUMNS, LONGEST_VALUE, Values, lines_of
from marketplace.supply.models import Fleet, OfferImport, OfferImportLine
from marketplace.supply.rules import OfferInput
from marketplace.supply.selectors import fleets_for
from marketplace.supply.services import list_offers

TASK = "supply.import_offers"
ROWS_AT_ONCE = 1_000


class ImportNotReady(DomainError):
    code = "import_not_ready"
    title = gettext_noop("The file cannot be imported yet")


@transaction.atomic
def begin(*, viewer: Viewer, owner: Organisation, name: str, text: str, now: datetime) -> OfferImport:
    """Keep the lines of a file, and what is wrong with them. ``InvalidInput`` where it is no such file."""
    actor = viewer.require(Capability.TRADE, owner.pk)
    if actor.user is None:
        raise InvalidInput(_("Only people import files; programs list offers over the API."))
    lines = lines_of(text)
    begun = OfferImport.objects.create(
        owner=owner, name=name[:120], key=uuid4(), created_by=actor.user, created_at=now
    )
    rows = (OfferImportLine(source=begun, number=number, values=values) for number, values in lines)
    OfferImportLine.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    check(begun, viewer=viewer, now=now)
    audit.record(
        actor=actor,
        action="offer_import.begun",
        target=begun,
        now=now,
        organisation=owner,
        data={"lines": len(lines)},
    )
    return begun


@transaction.atomic
def mend(*, viewer: Viewer, line: OfferImportLine, values: Values, now: datetime) -> None:
    """Other values for a line. All lines are checked again: one may have stood in the way of another."""
    source = _open_import(viewer, line.source)
    line.values = {name: values.get(name, "").strip()[:LONGEST_VALUE] for name in COLUMNS}
    line.left_out = False
    line.save(update_fields=["values", "left_out"])
    check(source, viewer=viewer, now=now)


@transaction.atomic
def leave_out(*, viewer: Viewer, line: OfferImportLine, left_out: bool, now: datetime) -> None:
    """Do not import this line, or take it in again."""
    source = _open_import(viewer, line.source)
    line.left_out = left_out
    line.save(update_fields=["left_out"])
    check(source, viewer=viewer, now=now)


def check(source: OfferImport, *, viewer: Viewer, now: datetime) -> None:
    """Judge every line that is not left out."""
    checker = Checker.of(fleets_of(source, viewer), now)
    changed = []
    for line in source.lines.order_by("number"):
        problems = {} if line.left_out else checker.read(line.values).problems
        if problems != line.problems:
            line.problems = problems
            changed.append(line)
    OfferImportLine.objects.bulk_update(changed, ["problems"], batch_size=ROWS_AT_ONCE)


def fleets_of(source: OfferImport, viewer: Viewer) -> Sequence[Fleet]:
    return list(fleets_for(viewer).filter(site__owner=source.owner_id))


@transaction.atomic
def confirm(*, viewer: Viewer, source: OfferImport, now: datetime) -> Job:
    """Start the job that lists all lines but those left out; confirming twice gives the same job."""
    current = _open_import(viewer, source)
    check(current, viewer=viewer, now=now)
    wrong = current.lines.exclude(problems={}).count()
    wanted = current.lines.filter(left_out=False).count()
    if wrong or not wanted:
        raise ImportNotReady(
            _("%(wrong)s lines are wrong. Mend them, or leave them out.") % {"wrong": wrong}
            if wrong
            else _("All lines are left out, so there is nothing to import.")
        )
    return jobs.start(
        viewer=viewer,
        organisation=current.owner,
        kind=Job.Kind.OFFER_IMPORT,
        subject=current.pk,
        steps=wanted,
        task=TASK,
        now=now,
    )


def import_lines(job: Job, *, now: datetime) -> OfferImport:
    """List the lines of a confirmed import: all of them or none."""
    viewer = viewer_of_user(job.started_by)
    with transaction.atomic():
        source = OfferImport.objects.select_for_update(no_key=True).get(pk=job.subject)
        if source.state == OfferImport.State.IMPORTED:
            return source
        source.batch = list_offers(
            viewer=viewer,
            owner=source.owner,
            offers=_offers(source, viewer, now),
            key=source.key,
            now=now,
            listed=lambda count: jobs.report(job, count),
        )
        source.state = OfferImport.State.IMPORTED
        source.save(update_fields=["state", "batch"])
    return source


def _offers(source: OfferImport, viewer: Viewer, now: datetime) -> list[tuple[Fleet, OfferInput]]:
    checker = Checker.of(fleets_of(source, viewer), now)
    offers = []
    for line in source.lines.filter(left_out=False).order_by("number"):
        read = checker.read(line.values)
        if read.problems or read.fleet is None or read.offer is None:
            problem = next(iter(read.problems.values()), "")
            message = _("Line %(number)s can no longer be listed: %(problem)s")
            raise ImportNotReady(message % {"number": line.number, "problem": problem})
        offers.append((read.fleet, read.offer))
    return offers


def _open_import(viewer: Viewer, source: OfferImport) -> OfferImport:
    viewer.require(Capability.TRADE, source.owner_id)
    current = OfferImport.objects.select_for_update(no_key=True).get(pk=source.pk)
    if current.state != OfferImport.State.OPEN:
        raise ImportNotReady(_("%(name)s is imported already.") % {"name": current})
    return current
