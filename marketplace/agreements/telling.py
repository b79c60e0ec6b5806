"""What parties are told of a run: buyers of each request that is matched, owners of what was sold in all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from marketplace.agreements.models import Agreement
from marketplace.clearing.models import MarketRun
from marketplace.clock import hours_between
from marketplace.demand.models import ComputeRequest
from marketplace.notifications.models import Kind
from marketplace.notifications.services import News
from marketplace.web import formats


def news_of(run: MarketRun, agreements: Iterable[Agreement]) -> list[News]:
    by_request: dict[ComputeRequest, list[Agreement]] = defaultdict(list)
    by_owner: dict[tuple[int, str], list[Agreement]] = defaultdict(list)
    for agreement in agreements:
        by_owner[agreement.owner_id, agreement.currency].append(agreement)
        if agreement.allocation is not None:
            by_request[agreement.allocation.request].append(agreement)
    matched = [_matched(request, made) for request, made in by_request.items()]
    return matched + [_sold(run, owner, made) for (owner, _currency), made in by_owner.items()]


def _matched(request: ComputeRequest, made: Sequence[Agreement]) -> News:
    facts = {
        "request": str(request),
        "title": request.title,
        "cards": formats.number(max(agreement.cards for agreement in made)),
        "value": _value(made),
    }
    return News(
        kind=Kind.MATCHED,
        organisation=request.organisation_id,
        key=str(request.pk),
        page=("demand:request", request.pk),
        facts=facts,
    )


def _sold(run: MarketRun, owner: int, made: Sequence[Agreement]) -> News:
    card_hours = formats.number(
        sum(each.cards * hours_between(each.starts_at, each.ends_at) for each in made)
    )
    return News(
        kind=Kind.SOLD,
        organisation=owner,
        key=f"{run.pk} {made[0].currency}",
        page=("clearing:run", run.pk),
        facts={"run": str(run), "card_hours": card_hours, "value": _value(made)},
    )


def _value(made: Sequence[Agreement]) -> str:
    by_currency: dict[str, list[Agreement]] = defaultdict(list)
    for agreement in made:
        by_currency[agreement.currency].append(agreement)
    sums = (formats.money(sum(each.value for each in of), code) for code, of in sorted(by_currency.items()))
    return " + ".join(sums)
