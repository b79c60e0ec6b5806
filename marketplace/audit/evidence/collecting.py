"""The rows of a case, by the name of their file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Organisation
from billing.invoicing.models import Document, InvoicedCharge, Line
from billing.ledger.models import Account, Journal, Posting
from billing.metering.models import Meter, Reading
from billing.rating.models import Charge, MonthSettlement, ParkedUsage, RatingRun, ServiceLevel
from billing.rating.models.disputes import Dispute, DisputedSlot, UsageReport
from marketplace.agreements.models import Agreement
from marketplace.audit.evidence.cases import Scope
from marketplace.audit.evidence.rows import Row, row_of, rows_of
from marketplace.clearing.models import Allocation, Explanation, MarketRun
from marketplace.delivery.models import AcceptanceTest, Delivery, DeliveryTransition, Suspension
from marketplace.demand.models import ComputeRequest
from marketplace.errors import InvalidInput
from marketplace.supply.models import Fleet, Offer, Site

MOST_READINGS = 500_000
Report = Callable[[int], None]


@dataclass(slots=True)
class Collected:
    """``files`` by name, each a list of rows; ``objects`` are those whose audit events belong to the case."""

    files: dict[str, list[Row]] = field(default_factory=dict)
    objects: set[tuple[str, str]] = field(default_factory=set)

    def add(
        self, name: str, rows: QuerySet[Model], *, without: Collection[str] = (), audited: bool = True
    ) -> None:
        found = list(rows.order_by("pk"))
        self.files[name] = rows_of(found, without=without)
        if audited:
            self.objects |= {(rows.model._meta.label_lower, str(each.pk)) for each in found}


def collect(scope: Scope, report: Report) -> Collected:
    """Everything about the agreements of the case; ``report`` is told after each of the three parts."""
    found = Collected()
    found.files.update(scope.own)
    found.objects |= {("findings.finding", str(row["id"])) for row in scope.own.get("findings", [])}
    _of_the_market(found, scope)
    report(1)
    _of_the_delivery(found, scope)
    report(2)
    _of_the_money(found, scope)
    report(3)
    return found


def _of_the_market(found: Collected, scope: Scope) -> None:
    agreements = Agreement.objects.filter(pk__in=scope.agreements)
    allocations = Allocation.objects.filter(agreement__in=scope.agreements)
    offers = Offer.objects.filter(allocations__in=allocations).distinct()
    requests = ComputeRequest.objects.filter(allocations__in=allocations).distinct()
    sites = Site.objects.filter(pk__in=scope.sites)
    parties = Q(purchases__in=scope.agreements) | Q(sales__in=scope.agreements) | Q(sites__in=scope.sites)
    found.add("agreements", agreements)
    found.add("allocations", allocations)
    found.add(
        "runs",
        MarketRun.objects.filter(allocations__in=allocations).distinct(),
        without={"snapshot", "result"},
    )
    found.add("offers", offers)
    found.add("requests", requests)
    found.add("explanations", _explanations(allocations), audited=False)
    found.add("sites", sites)
    found.add("fleets", Fleet.objects.filter(Q(site__in=scope.sites) | Q(offers__in=offers)).distinct())
    # Who the parties are, and nothing of what happened in their teams.
    found.add("organisations", Organisation.objects.filter(parties).distinct(), audited=False)


def _explanations(allocations: QuerySet[Allocation]) -> QuerySet[Explanation]:
    """Why each request got what it got, in the runs that gave it."""
    pairs = set(allocations.values_list("run", "request"))
    named = Explanation.objects.filter(
        run__in={run for run, _ in pairs}, request__in={each for _, each in pairs}
    )
    return named.filter(pk__in=[each.pk for each in named if (each.run_id, each.request_id) in pairs])


def _of_the_delivery(found: Collected, scope: Scope) -> None:
    deliveries = Delivery.objects.filter(agreement__in=scope.agreements)
    readings = Reading.objects.filter(delivery__in=list(deliveries.values_list("pk", flat=True)))
    count = readings.count()
    if count > MOST_READINGS:
        raise InvalidInput(
            _("%(count)s readings are too many for one pack. Choose a shorter window.") % {"count": count}
        )
    found.add("deliveries", deliveries)
    found.add("transitions", DeliveryTransition.objects.filter(delivery__in=deliveries), audited=False)
    found.add("acceptance_tests", AcceptanceTest.objects.filter(delivery__in=deliveries), audited=False)
    found.add("suspensions", Suspension.objects.filter(delivery__in=deliveries))
    found.add("readings", readings, audited=False)


def _of_the_money(found: Collected, scope: Scope) -> None:
    charges = Charge.objects.filter(agreement__in=scope.agreements)
    lines = Line.objects.filter(agreement__in=scope.agreements)
    documents = Document.objects.filter(lines__in=lines).distinct()
    numbers = list(documents.values_list("number", flat=True))
    journals = Journal.objects.filter(Q(documents__in=documents) | Q(postings__item__in=numbers)).distinct()
    postings = Posting.objects.filter(journal__in=journals)
    found.files["charges"] = _charges(charges)
    found.add("rating_runs", RatingRun.objects.filter(pk__in=charges.values("run")))
    found.add("service_levels", ServiceLevel.objects.filter(agreement__in=scope.agreements), audited=False)
    found.add("months", MonthSettlement.objects.filter(agreement__in=scope.agreements), audited=False)
    found.add("parked", ParkedUsage.objects.filter(agreement__in=scope.agreements))
    found.add("disputes", Dispute.objects.filter(agreement__in=scope.agreements))
    found.add("disputed_slots", DisputedSlot.objects.filter(agreement__in=scope.agreements), audited=False)
    found.add("usage_reports", UsageReport.objects.filter(agreement__in=scope.agreements))
    found.add("documents", documents)
    found.add("lines", lines, audited=False)
    found.add("journals", journals)
    found.add("postings", postings, audited=False)
    found.add("accounts", Account.objects.filter(pk__in=postings.values("account")), audited=False)


def _charges(charges: QuerySet[Charge]) -> list[Row]:
    """Each with the invoice line and the statement line that it stands on, if it stands on any yet."""
    stands_on = {
        each.charge_id: each for each in InvoicedCharge.objects.filter(charge__in=charges.values("pk"))
    }
    rows = []
    for charge in charges.order_by("pk"):
        on = stands_on.get(charge.pk)
        lines = {"invoice_line": on and on.invoice_line_id, "statement_line": on and on.statement_line_id}
        rows.append(row_of(charge) | lines)
    return rows


def metered_in_all(rows: Collection[Row]) -> int:
    """Allocated card-seconds that readings come to."""
    return sum(row["quantity"] for row in rows if row["meter"] == Meter.ALLOCATED)
