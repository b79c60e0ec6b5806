"""Figures and standings in words, for pages, PDFs and programs."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from marketplace.audit.compliance.models import Policy
from marketplace.audit.compliance.rolling import Status
from marketplace.audit.compliance.selectors import Assessment
from marketplace.web.formats import day, number, percent, quantity


def figure(policy: Policy, amount: Decimal) -> str:
    """An amount of the policy's figure with its unit."""
    return in_unit(amount, policy.unit)


def in_unit(amount: Decimal, unit: str) -> str:
    if unit == "share":
        return percent(amount, 0 if amount * 100 % 1 == 0 else 1)
    return quantity(amount, unit) if unit in {"ms", "card-h"} else number(amount, at_most=3)


def measured(assessment: Assessment) -> str:
    """The figure, or the bounds between which it lies."""
    standing, policy = assessment.standing, assessment.policy
    if standing.least is None or standing.most is None:
        return _("not known")
    if standing.least == standing.most:
        return figure(policy, standing.least)
    return f"{figure(policy, standing.least)} – {figure(policy, standing.most)}"


def required(policy: Policy) -> str:
    facts = {"figure": figure(policy, policy.threshold)}
    return (_("at least %(figure)s") if policy.is_minimum else _("at most %(figure)s")) % facts


def outlook(assessment: Assessment) -> str:
    """What follows: until when a breach may be cured, when there will be one, or what is missing."""
    standing = assessment.standing
    if standing.status == Status.UNKNOWN:
        return assessment.why_not
    if standing.since is not None and standing.cure_until is not None:
        facts = {"since": day(standing.since), "until": day(standing.cure_until)}
        if standing.status == Status.CURING:
            return _("In breach since %(since)s; to be cured before %(until)s.") % facts
        return _("In breach since %(since)s; the time to cure it ended on %(until)s.") % facts
    if standing.falls_on is None:
        return ""
    facts = {
        "day": day(standing.falls_on),
        "threshold": figure(assessment.policy, assessment.policy.threshold),
    }
    if assessment.policy.is_minimum:
        return _("At today’s rate it falls below %(threshold)s on %(day)s.") % facts
    return _("At today’s rate it rises above %(threshold)s on %(day)s.") % facts


def inputs(assessment: Assessment) -> Iterator[tuple[str, str]]:
    """Each fact that the figure rests on: what it is, and how much."""
    for each in assessment.inputs:
        amount = "" if each.amount is None else _amount(each.amount, each.unit)
        yield each.label, " ".join(part for part in (each.text, amount) if part)


def _amount(amount: Decimal, unit: str) -> str:
    return f"{number(amount)} h" if unit == "h" else in_unit(amount, unit)


def facts_of(assessment: Assessment) -> dict[str, Any]:
    """For programs: decimal strings, and dates as they are."""
    standing, policy = assessment.standing, assessment.policy
    return {
        "policy": policy.slug,
        "version": policy.version,
        "kind": policy.kind,
        "title": str(policy),
        "is_example": policy.is_example,
        "source": policy.source,
        "window": {"start": assessment.window[0].isoformat(), "end": assessment.window[1].isoformat()},
        "threshold": str(policy.threshold),
        "status": standing.status.value,
        "least": None if standing.least is None else f"{standing.least:f}",
        "most": None if standing.most is None else f"{standing.most:f}",
        "in_breach_since": standing.since and standing.since.isoformat(),
        "cure_until": standing.cure_until and standing.cure_until.isoformat(),
        "falls_on": standing.falls_on and standing.falls_on.isoformat(),
        "why_not_known": assessment.why_not,
        "inputs": [
            {
                "label": each.label,
                "amount": each.amount and f"{each.amount:f}",
                "unit": each.unit,
                "text": each.text,
            }
            for each in assessment.inputs
        ],
    }
