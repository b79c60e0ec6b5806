"""What rating hands to invoicing: the charges that stand on no document yet, and that nobody disputes.

This is the only place of invoicing that reads how charges are stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from billing.invoicing.drafts import Billable, LineKey, Tax
from billing.invoicing.models import Issuer, Line
from billing.invoicing.spans import Span

HOUR = timedelta(hours=1)
MOST_CHARGES = 1_000_000

# A row a charge. Its period is the closed one that its hour lies in, or else the one that is being closed; in
# a preview the number, below zero, of the one that will be. Its tax rules are those in force at its hour, on
# the calendar of the seller. NULL where there is none. Each kind of what months of a term agreement owe is an
# item; everything else that is charged to an agreement is one.
OPEN_CHARGES = """
    SELECT charge.id AS charge_id, charge.agreement_id, agreement.buyer_id, agreement.owner_id,
        charge.currency, coalesce(period.id, -pending.number, %(period)s) AS period_id,
        CASE WHEN charge.kind IN ('usage', 'sla_credit') THEN '' ELSE charge.kind END AS item,
        CASE WHEN charge.kind = 'overage' THEN charge.price END AS surcharge,
        charge.slot, charge.quantity,
        charge.amount, charge.credit, sold.id AS sold_rule, sold.rate AS sold_rate,
        bought.id AS bought_rule, bought.rate AS bought_rate,
        buyer.jurisdiction AS buyer_jurisdiction, owner.jurisdiction AS owner_jurisdiction
    FROM rating_charge charge
    JOIN agreements_agreement agreement ON agreement.id = charge.agreement_id
    JOIN accounts_organisation buyer ON buyer.id = agreement.buyer_id
    JOIN accounts_organisation owner ON owner.id = agreement.owner_id
    LEFT JOIN invoicing_billingperiod period
        ON charge.slot >= period.starts_at AND charge.slot < period.ends_at
    LEFT JOIN unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[])
        WITH ORDINALITY AS pending (starts_at, ends_at, number)
        ON charge.slot >= pending.starts_at AND charge.slot < pending.ends_at
    LEFT JOIN invoicing_taxrule sold
        ON sold.seller = %(jurisdiction)s AND sold.buyer = buyer.jurisdiction
        AND sold.valid_from <= (charge.slot AT TIME ZONE %(zone)s)::date
        AND (sold.valid_until IS NULL OR sold.valid_until > (charge.slot AT TIME ZONE %(zone)s)::date)
    LEFT JOIN invoicing_taxrule bought
        ON bought.seller = owner.jurisdiction AND bought.buyer = %(jurisdiction)s
        AND bought.valid_from <= (charge.slot AT TIME ZONE owner.time_zone)::date
        AND (bought.valid_until IS NULL
            OR bought.valid_until > (charge.slot AT TIME ZONE owner.time_zone)::date)
    WHERE NOT EXISTS (SELECT FROM invoicing_invoicedcharge done WHERE done.charge_id = charge.id)
        AND NOT EXISTS (
            SELECT FROM rating_disputedslot held
            WHERE held.agreement_id = charge.agreement_id AND held.slot = charge.slot AND held.is_open
        )
        AND (%(until)s::timestamptz IS NULL OR charge.slot < %(until)s)
        AND (%(agreements)s::bigint[] IS NULL OR charge.agreement_id = ANY(%(agreements)s))
        AND (%(parties)s::bigint[] IS NULL
            OR agreement.buyer_id = ANY(%(parties)s) OR agreement.owner_id = ANY(%(parties)s))
"""
# What a month owes stands on its last hour, and is for all of it.
TOTALS = """
    SELECT agreement_id, buyer_id, owner_id, currency, period_id, item, surcharge,
        coalesce(
            (
                SELECT month.starts_at FROM rating_monthsettlement month
                WHERE item <> '' AND month.agreement_id = open_charge.agreement_id
                    AND month.ends_at = min(open_charge.slot) + interval '1 hour'
                LIMIT 1
            ),
            min(slot)
        ), max(slot),
        sold_rule, sold_rate, bought_rule, bought_rate, buyer_jurisdiction, owner_jurisdiction,
        sum(quantity)::bigint, sum(amount), sum(credit), count(*)
    FROM open_charge
    GROUP BY agreement_id, buyer_id, owner_id, currency, period_id, item, surcharge, sold_rule, sold_rate,
        bought_rule, bought_rate, buyer_jurisdiction, owner_jurisdiction
    ORDER BY agreement_id, period_id, item, surcharge, sold_rule, bought_rule
"""


@dataclass(frozen=True, slots=True)
class Unratable:
    """Charges of an agreement for which a tax rule is missing: of which supply, and since when."""

    agreement: int
    seller: str
    buyer: str
    since: datetime
    charges: int

    @property
    def details(self) -> dict[str, Any]:
        return {
            "seller": self.seller,
            "buyer": self.buyer,
            "since": self.since.isoformat(),
            "charges": self.charges,
        }


@dataclass(frozen=True, slots=True)
class Gathered:
    billable: list[Billable]
    untaxed: list[Unratable]


def gather(
    issuer: Issuer, *, period: int, until: datetime, agreements: Collection[int] | None = None
) -> Gathered:
    """The open charges of slots before ``until``, added up; kept for ``name_charges`` in this transaction."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.open_charge")
        cursor.execute(
            f"CREATE TEMPORARY TABLE open_charge ON COMMIT DROP AS {OPEN_CHARGES}",
            _parameters(issuer, period=period, until=until, agreements=agreements),
        )
        cursor.execute(TOTALS)
        return _split(cursor, issuer)


def preview(issuer: Issuer, spans: Sequence[Span], *, parties: Collection[int] | None = None) -> Gathered:
    """The same without a closing: what documents would say now. Writes nothing.

    ``spans`` are the periods that are not closed. Charges of the first of them have the period -1, of the
    next -2, and so on.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH open_charge AS ({OPEN_CHARGES}) {TOTALS}",
            _parameters(issuer, period=0, spans=spans, parties=parties),
        )
        return _split(cursor, issuer)


def name_charges(lines: Mapping[LineKey, tuple[Line, Line]]) -> int:
    """Write down which gathered charge stands on which invoice line and statement line; how many did.

    A part of the lines at a time: what the database remembers of a statement, to check it at its end, is
    bounded however many charges there are.
    """
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX ON open_charge (agreement_id); ANALYZE open_charge")
        return sum(_name(cursor, part) for part in _parts(lines))


def _parts(lines: Mapping[LineKey, tuple[Line, Line]]) -> Iterator[list[list[Any]]]:
    """Rows of lines with their keys, of about ``MOST_CHARGES`` charges together."""
    part: list[list[Any]] = []
    charges = 0
    for key, (invoice, statement) in sorted(lines.items()):
        part.append([*key, invoice.pk, statement.pk])
        charges += invoice.charge_count
        if charges >= MOST_CHARGES:
            yield part
            part, charges = [], 0
    if part:
        yield part


def _name(cursor: CursorWrapper, rows: Sequence[Sequence[Any]]) -> int:
    cursor.execute(
        """
        INSERT INTO invoicing_invoicedcharge (charge_id, invoice_line_id, statement_line_id)
        SELECT charge.charge_id, line.invoice, line.statement
        FROM open_charge charge
        JOIN unnest(
            %s::bigint[], %s::bigint[], %s::text[], %s::numeric[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::bigint[]
        ) AS line (agreement, period, item, surcharge, sold_rule, bought_rule, invoice, statement)
            ON line.agreement = charge.agreement_id AND line.period = charge.period_id
            AND line.item = charge.item AND line.surcharge IS NOT DISTINCT FROM charge.surcharge
            AND line.sold_rule = charge.sold_rule AND line.bought_rule = charge.bought_rule
        """,
        [list(column) for column in zip(*rows, strict=True)],
    )
    return int(cursor.rowcount)


def _parameters(
    issuer: Issuer,
    *,
    period: int,
    until: datetime | None = None,
    agreements: Collection[int] | None = None,
    spans: Sequence[Span] = (),
    parties: Collection[int] | None = None,
) -> dict[str, Any]:
    return {
        "starts": [span.starts_at for span in spans],
        "ends": [span.ends_at for span in spans],
        "period": period,
        "jurisdiction": issuer.jurisdiction,
        "zone": issuer.time_zone,
        "until": until,
        "agreements": None if agreements is None else sorted(agreements),
        "parties": None if parties is None else sorted(parties),
    }


def _split(cursor: CursorWrapper, issuer: Issuer) -> Gathered:
    """What has both rules; an agreement of which anything lacks one waits as a whole."""
    rows = cursor.fetchall()
    untaxed = list(_untaxed(rows, issuer))
    waiting = {one.agreement for one in untaxed}
    return Gathered([_billable(row) for row in rows if row[0] not in waiting], untaxed)


def _billable(row: Sequence[Any]) -> Billable:
    agreement, buyer, owner, currency, period, item, surcharge, first, last, *rest = row
    sold_rule, sold_rate, bought_rule, bought_rate, _, _, quantity, amount, credit, charges = rest
    return Billable(
        agreement=agreement,
        buyer=buyer,
        owner=owner,
        currency=currency,
        period=period,
        item=item,
        surcharge=surcharge,
        service_from=first,
        service_until=last + HOUR,
        invoice_tax=Tax(sold_rule, sold_rate),
        statement_tax=Tax(bought_rule, bought_rate),
        quantity=quantity,
        amount=amount,
        credit=credit,
        charges=charges,
    )


def _untaxed(rows: Sequence[Sequence[Any]], issuer: Issuer) -> Iterator[Unratable]:
    for row in rows:
        agreement, _, _, _, _, _, _, first, _, sold_rule, _, bought_rule, _, buyer, owner, *_, charges = row
        if sold_rule is None:
            yield Unratable(agreement, issuer.jurisdiction, buyer, first, charges)
        elif bought_rule is None:
            yield Unratable(agreement, owner, issuer.jurisdiction, first, charges)
