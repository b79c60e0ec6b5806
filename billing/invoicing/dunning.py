"""Reminding of overdue invoices, as the policy says, up to suspension; and lifting it when they are paid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from accounts import audit
from accounts.actors import OF_ROLE, Actor, Capability
from accounts.models import Organisation, User
from accounts.suspension import suspend
from billing.invoicing import telling
from billing.invoicing.models import Document, DunningNotice, DunningPolicy, DunningStep, Suspension
from billing.invoicing.receivables import Overdue, overdue_at, today_in
from billing.money import from_minor
from marketplace.notifications.services import notify

Action = DunningStep.Action
LANGUAGES = ("en", "zh-hans")


def dun(*, now: datetime, actor: Actor) -> list[DunningNotice]:
    """Take the next step for every overdue invoice whose day has come; lift what need not be suspended.

    One step for an invoice a day, in their order: after an outage nobody is suspended before being warned.
    Each invoice in its own transaction; a repetition finds the step taken.
    """
    overdue = overdue_at(now)
    policies = DunningPolicy.objects.order_by("valid_from").prefetch_related("steps")
    taken = _taken(overdue)
    steps = [(one, next_step(one, policies, taken.get(one.document, []), now=now)) for one in overdue]
    notices = [_take(one, step, now=now, actor=actor) for one, step in steps if step is not None]
    lift_suspensions(now=now, actor=actor)
    return notices


def next_step(
    overdue: Overdue, policies: Iterable[DunningPolicy], taken: Sequence[DunningNotice], *, now: datetime
) -> DunningStep | None:
    """The first step of the invoice's policy that is due and was not taken; none on a day that had one."""
    today = today_in(overdue.zone, now)
    if any(today_in(overdue.zone, notice.taken_at) >= today for notice in taken):
        return None
    in_force = [policy for policy in policies if policy.valid_from <= overdue.finalised_at]
    done = {notice.step_id for notice in taken}
    for step in sorted(in_force[-1].steps.all() if in_force else [], key=lambda step: step.days):
        if step.pk not in done:
            return step if step.days <= overdue.days else None
    return None


def lift_suspensions(*, now: datetime, actor: Actor) -> list[Suspension]:
    """End the suspension of everybody who has no invoice left that would suspend."""
    open_rows = list(Suspension.objects.filter(lifted_at=None).select_related("organisation"))
    overdue = overdue_at(now, organisations=[row.organisation_id for row in open_rows])
    suspending = DunningNotice.objects.filter(
        step__action=Action.SUSPEND, document__in=[one.document for one in overdue]
    )
    kept = set(suspending.values_list("document__organisation", flat=True))
    return [_lift(row, now=now, actor=actor) for row in open_rows if row.organisation_id not in kept]


def _taken(overdue: Iterable[Overdue]) -> dict[int, list[DunningNotice]]:
    taken = defaultdict(list)
    for notice in DunningNotice.objects.filter(document__in=[one.document for one in overdue]):
        taken[notice.document_id].append(notice)
    return taken


@transaction.atomic
def _take(overdue: Overdue, step: DunningStep, *, now: datetime, actor: Actor) -> DunningNotice:
    notice = DunningNotice.objects.create(
        document_id=overdue.document, step=step, taken_at=now, open_amount=overdue.open
    )
    organisation = Organisation.objects.get(pk=overdue.organisation)
    if step.action == Action.SUSPEND:
        _suspend(organisation, notice, now=now)
    audit.record(
        actor=actor,
        action=f"invoicing.dunning_{step.action}",
        target=notice,
        organisation=organisation,
        now=now,
        data={"number": overdue.number, "days": overdue.days, "open": overdue.open},
    )
    notify(telling.overdue(overdue), now=now)
    transaction.on_commit(partial(_write_to, organisation, overdue, step))
    return notice


def _suspend(organisation: Organisation, notice: DunningNotice, *, now: datetime) -> None:
    """Once; further invoices find the organisation suspended."""
    if not Suspension.objects.filter(organisation=organisation, lifted_at=None).exists():
        Suspension.objects.create(organisation=organisation, notice=notice, since=now)
        suspend(organisation.pk, since=now)


@transaction.atomic
def _lift(suspension: Suspension, *, now: datetime, actor: Actor) -> Suspension:
    suspension.lifted_at = now
    suspension.save(update_fields=["lifted_at"])
    suspend(suspension.organisation_id, since=None)
    audit.record(
        actor=actor,
        action="invoicing.suspension_lifted",
        target=suspension,
        organisation=suspension.organisation_id,
        now=now,
    )
    return suspension


def _write_to(organisation: Organisation, overdue: Overdue, step: DunningStep) -> None:
    """To everybody who sees the organisation's money, in both languages: nobody said which one they read."""
    roles = [role for role, granted in OF_ROLE.items() if Capability.FINANCE in granted]
    members = User.objects.filter(memberships__organisation=organisation, memberships__role__in=roles)
    recipients = sorted(members.filter(is_active=True).values_list("email", flat=True))
    document = Document.objects.get(pk=overdue.document)
    context = {
        "document": document,
        "organisation": organisation,
        "open": from_minor(overdue.open, overdue.currency),
        "days": overdue.days,
        "action": step.action,
    }
    subjects, bodies = [], []
    for language in LANGUAGES:
        with translation.override(language):
            subjects.append(render_to_string("billing/mail/dunning_subject.txt", context).strip())
            bodies.append(render_to_string("billing/mail/dunning.txt", context).strip())
    for recipient in recipients:
        send_mail(" / ".join(subjects), "\n\n".join(bodies), None, [recipient])
