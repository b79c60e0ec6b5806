"""Conduct on the market: wash orders, layering, concentration.

The exchange has no price collars and no trading halts, so there is no log of them to look at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from marketplace.agreements.models import Agreement
from marketplace.audit.findings import facts
from marketplace.audit.findings.cases import Case, Row, Subject, Window
from marketplace.audit.findings.detectors.base import CARD_HOURS, FACTOR, NUMBER, SHARE, Detector
from marketplace.audit.findings.facts import Deal, Ownership
from marketplace.audit.findings.models import Severity
from marketplace.audit.findings.statistics import hhi, ratio
from marketplace.audit.findings.thresholds import Thresholds
from marketplace.clearing.models import Allocation
from marketplace.supply.models import Offer


class Traded(NamedTuple):
    deals: Sequence[Deal]
    ownership: Ownership


def read_spot(window: Window) -> Traded:
    spot = [deal for deal in facts.placed(window) if deal.kind == Agreement.Kind.SPOT]
    return Traded(spot, facts.ownership(window.end))


class WashOrders(Detector[Traded]):
    """A buyer and a seller that find only each other, run after run, on a market that names nobody.

    Suspicious because requests name no seller: who meets the same one again and again arranged it, with
    requirements that only one offer fits, or buys of itself. Such trades make volume and prices. Statistics
    over the spot agreements of the window, parties taken as groups under one control: the pair's share of the
    card-hours that the buyer bought and of those that the owner sold, and the lift, its card-hours × all
    card-hours / (the buyer's × the owner's), which is about 1 for parties that meet by chance. Both shares of
    at least ``least_share``, a lift of at least ``least_lift``, in at least ``least_runs`` runs. A warning;
    serious where the parties are related. Related parties with any volume are ``related-parties``. Not
    suspicious: a rare model that one owner has and one buyer needs.
    """

    name = "wash-orders"
    title = _("Orders that only meet each other")
    says = _(
        "In %(runs)s runs the buyer took %(of_buyer)s of what it bought from this owner, which sold it "
        "%(of_owner)s of what it sold."
    )
    figures: ClassVar = {
        "runs": (_("Runs in which they met"), NUMBER),
        "of_buyer": (_("Share of what the buyer bought"), SHARE),
        "of_owner": (_("Share of what the owner sold"), SHARE),
        "lift": (_("Times more than by chance"), FACTOR),
        "card_hours": (_("Card-hours"), CARD_HOURS),
    }

    def read(self, window: Window) -> Traded:
        return read_spot(window)

    def judge(self, facts: Traded, window: Window, limits: Thresholds) -> Iterator[Case]:
        group = facts.ownership.group
        bought: dict[int, int] = defaultdict(int)
        sold: dict[int, int] = defaultdict(int)
        pairs: dict[tuple[int, int], list[Deal]] = defaultdict(list)
        for deal in facts.deals:
            buyer, owner = group(deal.buyer), group(deal.owner)
            bought[buyer] += deal.card_hours
            sold[owner] += deal.card_hours
            pairs[buyer, owner].append(deal)
        in_all = sum(bought.values())
        for (buyer, owner), deals in pairs.items():
            card_hours, runs = sum(deal.card_hours for deal in deals), len({deal.run for deal in deals})
            of_buyer, of_owner = ratio(card_hours, bought[buyer]), ratio(card_hours, sold[owner])
            lift = ratio(card_hours * in_all, bought[buyer] * sold[owner])
            few = runs < limits["least_runs"] or lift < limits["least_lift"]
            if few or min(of_buyer, of_owner) < limits["least_share"]:
                continue
            related = any(facts.ownership.related(deal.buyer, deal.owner) for deal in deals)
            parties = dict.fromkeys(each for deal in deals for each in (deal.buyer, deal.owner))
            yield Case(
                key=f"{buyer}>{owner}",
                severity=Severity.SERIOUS if related else Severity.WARNING,
                window=window,
                statistics={
                    "runs": runs,
                    "of_buyer": of_buyer,
                    "of_owner": of_owner,
                    "lift": lift,
                    "card_hours": card_hours,
                },
                subjects=tuple(map(Subject, parties)),
                evidence=tuple(deal.row() for deal in deals),
            )


class Listed(NamedTuple):
    """An offer that was entered in the window."""

    offer: int
    owner: int
    model: int
    cards: int
    entered_at: datetime
    withdrawn_at: datetime | None
    has_sold: bool

    def row(self) -> Row:
        told = {
            "cards": self.cards,
            "entered_at": self.entered_at.isoformat(),
            "withdrawn_at": self.withdrawn_at and self.withdrawn_at.isoformat(),
        }
        return Row("offer", str(self.offer), told, (self.owner,))


class Layering(Detector[Sequence[Listed]]):
    """Offers that are listed and taken back before they can sell, while others of the owner sell.

    Suspicious because they make a market look deeper than it is. Statistic: of the offers that an owner
    entered in the window, those that were withdrawn unsold within ``minutes`` of being entered. At least
    ``least_count`` of them and ``least_share`` of all, where another offer of the same model and owner sold.
    A warning. Requests that are entered and cancelled are not looked at: that they were is in the audit
    chain, and not yet in a table. Not suspicious: a plan that was imported with an error and taken back as a
    whole, which is why it takes offers entered at ``least_times`` different times.
    """

    name = "layering"
    title = _("Offers listed and taken back")
    says = _("%(withdrawn)s of %(offers)s offers were taken back before they could sell.")
    figures: ClassVar = {
        "withdrawn": (_("Taken back at once"), NUMBER),
        "offers": (_("Offers entered"), NUMBER),
        "share": (_("Share"), SHARE),
        "times": (_("At how many different times"), NUMBER),
    }

    def read(self, window: Window) -> Sequence[Listed]:
        sold = Exists(Allocation.objects.filter(offer=OuterRef("pk")))
        rows = Offer.objects.filter(entered_at__gte=window.start, entered_at__lt=window.end)
        named = (
            "pk",
            "fleet__site__owner",
            "fleet__model",
            "cards",
            "entered_at",
            "withdrawn_at",
            "has_sold",
        )
        return [Listed(*row) for row in rows.annotate(has_sold=sold).order_by("pk").values_list(*named)]

    def judge(self, facts: Sequence[Listed], window: Window, limits: Thresholds) -> Iterator[Case]:
        longest = timedelta(minutes=int(limits["minutes"]))
        by_product: dict[tuple[int, int], list[Listed]] = defaultdict(list)
        for offer in facts:
            by_product[offer.owner, offer.model].append(offer)
        for (owner, model), offers in by_product.items():
            fleeting = [
                offer
                for offer in offers
                if offer.withdrawn_at
                and not offer.has_sold
                and offer.withdrawn_at - offer.entered_at <= longest
            ]
            share, times = ratio(len(fleeting), len(offers)), len({offer.entered_at for offer in fleeting})
            few = len(fleeting) < limits["least_count"] or times < limits["least_times"]
            if few or share < limits["least_share"] or not any(offer.has_sold for offer in offers):
                continue
            yield Case(
                key=f"owner:{owner}/{model}",
                severity=Severity.WARNING,
                window=window,
                statistics={
                    "withdrawn": len(fleeting),
                    "offers": len(offers),
                    "share": share,
                    "times": times,
                },
                subjects=(Subject(owner),),
                evidence=tuple(offer.row() for offer in fleeting),
            )


class Products(NamedTuple):
    """Spot deals, and how many owners had the product of a model and zone on offer."""

    traded: Traded
    sellers: Mapping[tuple[int | None, int | None], int]


class Concentration(Detector[Products]):
    """A product of a zone that one seller dominates although others offer it too.

    Suspicious of no act: a concentrated market is one in which prices can be made. Statistic: the
    Herfindahl-Hirschman index of the spot card-hours sold of a model in a zone, by groups under one control;
    above 2,500 a market counts as highly concentrated (US Horizontal Merger Guidelines 2010; 1,800 in those
    of 2023). At least ``least_hhi`` with a leader of at least ``least_share``, where the product is at least
    ``least_volume`` of all card-hours sold and ``least_sellers`` owners had it on offer. A notice about the
    leader. Not suspicious: a seller that is simply cheaper.
    """

    name = "concentration"
    title = _("One seller dominates a product")
    says = _(
        "The leader sold %(share)s of the product; the index is %(hhi)s, with %(sellers)s owners offering."
    )
    figures: ClassVar = {
        "hhi": (_("Herfindahl-Hirschman index"), NUMBER),
        "share": (_("Share of the leader"), SHARE),
        "sellers": (_("Owners that offered it"), NUMBER),
        "volume": (_("Share of all that was sold"), SHARE),
    }

    def read(self, window: Window) -> Products:
        offers = Offer.objects.filter(
            starts_at__lt=window.end, ends_at__gt=window.start, entered_at__lt=window.end
        )
        sellers: dict[tuple[int, int], set[int]] = defaultdict(set)
        named = ("fleet__model", "fleet__site__region__zone", "fleet__site__owner")
        for model, zone, owner in offers.values_list(*named).distinct():
            sellers[model, zone].add(owner)
        traded = read_spot(window)
        return Products(
            traded,
            {product: len({*map(traded.ownership.group, owners)}) for product, owners in sellers.items()},
        )

    def judge(self, facts: Products, window: Window, limits: Thresholds) -> Iterator[Case]:
        deals = facts.traded.deals
        in_all = sum(deal.card_hours for deal in deals)
        products: dict[tuple[int | None, int | None], list[Deal]] = defaultdict(list)
        for deal in deals:
            products[deal.model, deal.zone].append(deal)
        for product, of_it in products.items():
            sold: dict[int, int] = defaultdict(int)
            for deal in of_it:
                sold[facts.traded.ownership.group(deal.owner)] += deal.card_hours
            leader = max(sold, key=lambda seller: (sold[seller], -seller))
            volume, index = sum(sold.values()), hhi(sold.values())
            share = ratio(sold[leader], volume)
            sellers = facts.sellers.get(product, 0)
            concentrated = index >= limits["least_hhi"] and share >= limits["least_share"]
            matters = ratio(volume, in_all) >= limits["least_volume"] and sellers >= limits["least_sellers"]
            if not concentrated or not matters:
                continue
            leading = [deal for deal in of_it if facts.traded.ownership.group(deal.owner) == leader]
            yield Case(
                key=f"product:{product[0]}@{product[1]}/{leader}",
                severity=Severity.NOTICE,
                window=window,
                statistics={
                    "hhi": index,
                    "share": share,
                    "sellers": sellers,
                    "volume": ratio(volume, in_all),
                },
                subjects=tuple(dict.fromkeys(Subject(deal.owner) for deal in leading)),
                evidence=tuple(deal.row() for deal in leading),
            )
