"""What documents rest on and no code knows: tax rules and the dunning policy, from the files beside ``data``.

Loading adds what is missing and changes nothing that is there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from django.db import transaction

from accounts import audit
from accounts.actors import Actor
from billing.invoicing.models import DunningPolicy, DunningStep, TaxRule

FOLDER = Path(__file__).parent / "data"
# Standing since before the first invoice.
FIRST_POLICY = datetime(2000, 1, 1, tzinfo=UTC)


def read_tax_rules() -> Iterator[TaxRule]:
    with (FOLDER / "tax_rules.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield TaxRule(
                seller=row["seller"],
                buyer=row["buyer"],
                treatment=row["treatment"],
                rate=Decimal(row["rate"]),
                valid_from=date.fromisoformat(row["valid_from"]),
                valid_until=date.fromisoformat(row["valid_until"]) if row["valid_until"] else None,
                note_en=row["note_en"],
                note_zh=row["note_zh"],
                source=row["source"],
            )


@transaction.atomic
def load_reference(*, actor: Actor, now: datetime) -> None:
    """The shipped tax rules where two jurisdictions have none yet, and the standard policy if none is."""
    known = set(TaxRule.objects.values_list("seller", "buyer"))
    for rule in read_tax_rules():
        if (rule.seller, rule.buyer) not in known:
            enter_tax_rule(rule, actor=actor, now=now)
    if not DunningPolicy.objects.exists():
        _load_policy(actor=actor, now=now)


@transaction.atomic
def enter_tax_rule(rule: TaxRule, *, actor: Actor, now: datetime) -> TaxRule:
    """Add a rule. What waits for it gets its documents at the next turn of closing."""
    rule.save(force_insert=True)
    audit.record(
        actor=actor,
        action="tax_rule.entered",
        target=rule,
        now=now,
        data={"rule": str(rule), "from": rule.valid_from.isoformat(), "source": rule.source},
    )
    return rule


@transaction.atomic
def end_tax_rule(rule: TaxRule, *, on: date, actor: Actor, now: datetime) -> TaxRule:
    """Let a rule end; ``on`` is the first day on which it no longer holds."""
    rule.valid_until = on
    rule.save(update_fields=["valid_until"])
    audit.record(
        actor=actor,
        action="tax_rule.ended",
        target=rule,
        now=now,
        data={"rule": str(rule), "on": on.isoformat()},
    )
    return rule


@transaction.atomic
def enter_policy(policy: DunningPolicy, *, actor: Actor, now: datetime) -> DunningPolicy:
    """Add a policy; invoices that are finalised from ``valid_from`` on follow its steps."""
    policy.save(force_insert=True)
    audit.record(
        actor=actor,
        action="dunning_policy.entered",
        target=policy,
        now=now,
        data={
            "name": policy.name,
            "from": policy.valid_from.isoformat(),
            "days_to_pay": policy.days_to_pay,
        },
    )
    return policy


def _load_policy(*, actor: Actor, now: datetime) -> None:
    with (FOLDER / "dunning_policy.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    policy = DunningPolicy(name="standard", valid_from=FIRST_POLICY, days_to_pay=int(rows[0]["days"]))
    enter_policy(policy, actor=actor, now=now)
    DunningStep.objects.bulk_create(
        DunningStep(policy=policy, days=int(row["days"]), action=row["action"]) for row in rows[1:]
    )
