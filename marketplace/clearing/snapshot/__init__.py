"""From the database to the engine's snapshot: one consistent reading, in integers.

Rounding, where a decimal becomes an integer, never hurts the party it belongs to: an ask is rounded
up, a limit down, a floor of a buyer up, a ceiling of a buyer down. Figures with six places are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from marketplace.catalogue.models import ProfileVersion
from marketplace.catalogue.selectors import FactMissing, carbon_price, fx_table
from marketplace.clearing.snapshot import demand, supply
from marketplace.clearing.snapshot.agreed import in_np_hours
from marketplace.clearing.snapshot.units import Window, micro
from marketplace.demand.models import ComputeRequest
from marketplace.engine import snapshot as engine
from marketplace.engine.validation import HOURLY_FORMAT, SNAPSHOT_FORMAT
from marketplace.terms.models import TermAgreement
from marketplace.terms.selectors import agreed_price

KILOGRAMS_A_TONNE = 1000


def build(
    *,
    horizon_start: datetime,
    slots: int,
    base_currency: str,
    profiles: ProfileVersion,
    now: datetime,
    requests: Iterable[ComputeRequest] | None = None,
    term: int | None = None,
) -> engine.Snapshot:
    """The market as the database shows it now, with all open requests or with those given.

    The open market, or that of one term agreement: requests under it and offers reserved for it. There
    nothing is gained by a match, so nothing is weighed against it either: carbon has no price.

    Call it inside one repeatable-read transaction where it is going to be cleared.
    """
    window = Window(horizon_start, slots)
    table = fx_table(at=now)
    agreement = None if term is None else TermAgreement.objects.get(pk=term)
    found = demand.convertible(demand.open_requests(term) if requests is None else requests, table)
    wanted = [(row, built) for row in found if (built := demand.request_of(row, window)) is not None]
    rows = [row for row, _ in wanted]
    offers = supply.open_offers(window, now, term)
    sites = list({offer.fleet.site_id: offer.fleet.site for offer in offers}.values())
    hours = supply.site_hours_of(sites, window)
    market = engine.Snapshot(
        format=HOURLY_FORMAT if hours else SNAPSHOT_FORMAT,
        horizon_start=horizon_start.isoformat(),
        slots=slots,
        base_currency=base_currency,
        currencies=_currencies(table, base_currency),
        models=supply.models_of(profiles),
        sites=supply.sites_of(sites, window, now),
        offers=supply.offers_of(offers, window),
        requests=tuple(built for _, built in wanted),
        budgets=demand.budgets_of(rows),
        choices=demand.choices_of(rows),
        owner_caps=demand.owner_caps_of(rows, sites, now),
        carbon_price=_carbon_price(base_currency, now) if agreement is None else 0,
        site_hours=hours,
    )
    if agreement is None or not agreement.is_in_np:
        return market
    return in_np_hours(market, agreement.workload, agreed_price(agreement))


def _carbon_price(base: str, now: datetime) -> int:
    return micro(carbon_price(base, at=now) / KILOGRAMS_A_TONNE, ROUND_CEILING)


def _currencies(table: Mapping[str, Decimal], base: str) -> tuple[engine.Currency, ...]:
    if base not in table:
        raise FactMissing(f"No exchange rate of the base currency {base}. Enter it in the admin.")
    return tuple(
        engine.Currency(code, micro(yuan / table[base], ROUND_FLOOR)) for code, yuan in sorted(table.items())
    )
