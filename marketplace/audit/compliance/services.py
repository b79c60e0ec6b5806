"""Enacting policies. Nothing is changed: what is enacted is the next version."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Actor, Viewer
from marketplace.audit.compliance.models import Policy
from marketplace.clock import EARLIEST
from marketplace.errors import InvalidInput, NotAllowed

EXAMPLES = Path(__file__).with_name("data") / "policies.toml"
FIGURES = ("threshold", "warning", "window_days", "cure_days", "least_cards", "most_cards")


def changed(policy: Policy, figures: Mapping[str, Any]) -> Policy:
    """The policy with other figures, as it would be enacted; it is not saved."""
    kept = {
        field.attname: getattr(policy, field.attname)
        for field in Policy._meta.concrete_fields
        if field.attname not in {"id", "version"}
    }
    return Policy(**(kept | {name: figures[name] for name in FIGURES}), version=policy.version + 1)


@transaction.atomic
def enact(
    *,
    viewer: Viewer,
    policy: Policy,
    figures: Mapping[str, Any],
    valid_from: datetime,
    source: str,
    now: datetime,
) -> Policy:
    """The next version of a policy with these figures, in force from ``valid_from`` on. For operators."""
    if viewer.actor is None or viewer.actor.user is None or not viewer.is_operator:
        raise NotAllowed(_("Policies are enacted by operators."))
    if valid_from < now:
        raise InvalidInput(_("Nothing was enacted."), {"valid_from": _("Choose a time to come.")})
    newest = Policy.objects.select_for_update(no_key=True).filter(slug=policy.slug).latest("version")
    if newest.pk != policy.pk:
        raise InvalidInput(
            _("Somebody enacted version %(version)s meanwhile. Look at it first.")
            % {"version": newest.version}
        )
    enacted = changed(policy, figures)
    enacted.valid_from, enacted.valid_until, enacted.source = valid_from, None, source
    enacted.is_example, enacted.enacted_by, enacted.enacted_at = False, viewer.actor.user, now
    enacted.save(force_insert=True)
    data = {name: [str(getattr(policy, name)), str(getattr(enacted, name))] for name in FIGURES}
    _record(viewer.actor, enacted, now, data | {"source": source, "valid_from": valid_from.isoformat()})
    return enacted


@transaction.atomic
def load_examples(*, actor: Actor, now: datetime) -> list[Policy]:
    """Those of the file of which there is no version yet."""
    known = set(Policy.objects.values_list("slug", flat=True))
    told = tomllib.loads(EXAMPLES.read_text(encoding="utf-8"))
    loaded = []
    for slug, facts in told.items():
        if slug not in known:
            figures = {name: Decimal(facts[name]) for name in ("threshold", "warning") if name in facts}
            policy = Policy(**(facts | figures), slug=slug, version=1, is_example=True)
            policy.valid_from, policy.enacted_at = EARLIEST, now
            policy.save(force_insert=True)
            _record(actor, policy, now, {"source": policy.source})
            loaded.append(policy)
    return loaded


def _record(actor: Actor, policy: Policy, now: datetime, data: dict[str, Any]) -> None:
    facts = {"slug": policy.slug, "version": policy.version, **data}
    audit.record(actor=actor, action="policy.enacted", target=policy, now=now, data=facts)
