"""The API of supply: /sites, /fleets and /offers."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainDetailView, DomainGenericView, DomainListView, DomainView
from marketplace.supply import services
from marketplace.supply.models import Fleet, Offer, Site
from marketplace.supply.selectors import (
    Facts,
    fleets_for,
    offer_book,
    offers_for,
    sites_for,
    with_card_hours_sold,
    with_fleet_totals,
)
from marketplace.supply.serializers import (
    FleetChangeForm,
    FleetForm,
    FleetQuery,
    FleetSerializer,
    OfferBookSerializer,
    OfferChangeForm,
    OfferForm,
    OfferQuery,
    OfferSerializer,
    SiteChangeForm,
    SiteForm,
    SiteSerializer,
    organisation_of,
)


def _created(request: Request, created: Site | Fleet | Offer, data: Any) -> Response:
    location = f"{request.path}/{created.pk}"
    return Response(data, status=status.HTTP_201_CREATED, headers={"Location": location})


class SiteList(DomainListView[Site]):
    serializer_class = SiteSerializer

    def get_queryset(self) -> QuerySet[Site]:
        return with_fleet_totals(sites_for(self.viewer))

    @extend_schema(request=SiteForm, responses={201: SiteSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Register a data centre."""
        form = SiteForm(data=request.data, context={"view": self})
        form.is_valid(raise_exception=True)
        owner = organisation_of(request, form)
        site = services.create_site(viewer=self.viewer, organisation=owner, site=form.site(), now=self.now)
        shown = self.get_queryset().get(pk=site.pk)
        return _created(request, site, SiteSerializer(shown).data)


class SiteDetail(DomainDetailView[Site]):
    serializer_class = SiteSerializer

    def get_queryset(self) -> QuerySet[Site]:
        return with_fleet_totals(sites_for(self.viewer))

    @extend_schema(request=SiteChangeForm, responses={200: SiteSerializer})
    def patch(self, request: Request, pk: int) -> Response:
        """Cap what the cards sold at the site draw together, or lift the cap."""
        site = get_object_or_404(sites_for(self.viewer), pk=pk)
        form = SiteChangeForm(data=request.data)
        form.is_valid(raise_exception=True)
        kilowatts = form.validated_data["power_cap_kw"]
        services.set_power_cap(viewer=self.viewer, site=site, kilowatts=kilowatts, now=self.now)
        return Response(SiteSerializer(self.get_queryset().get(pk=pk)).data)


@extend_schema(parameters=[FleetQuery])
class FleetList(DomainListView[Fleet]):
    serializer_class = FleetSerializer

    def get_queryset(self) -> QuerySet[Fleet]:
        return fleets_for(self.viewer).filter(**FleetQuery.of(self.request))

    @extend_schema(request=FleetForm, responses={201: FleetSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Register installed cards at a site."""
        form = FleetForm(data=request.data, context={"view": self})
        form.is_valid(raise_exception=True)
        site = form.validated_data["site"]
        fleet = services.create_fleet(viewer=self.viewer, site=site, fleet=form.fleet(), now=self.now)
        return _created(request, fleet, FleetSerializer(fleet).data)


class FleetDetail(DomainDetailView[Fleet]):
    serializer_class = FleetSerializer

    def get_queryset(self) -> QuerySet[Fleet]:
        return fleets_for(self.viewer)

    @extend_schema(request=FleetChangeForm, responses={200: FleetSerializer})
    def patch(self, request: Request, pk: int) -> Response:
        """Change how many cards are installed; never below what is listed now or sold in hours to come."""
        fleet = get_object_or_404(fleets_for(self.viewer), pk=pk)
        form = FleetChangeForm(data=request.data)
        form.is_valid(raise_exception=True)
        cards = form.validated_data["cards"]
        services.resize_fleet(viewer=self.viewer, fleet=fleet, cards=cards, now=self.now)
        return Response(FleetSerializer(self.get_queryset().get(pk=pk)).data)


class WithFacts(DomainGenericView[Offer]):
    """What ``OfferSerializer`` needs to know beside the offer."""

    serializer_class = OfferSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "facts": Facts.at(self.now)}

    def shown(self, pk: int) -> Any:
        offer = with_card_hours_sold(offers_for(self.viewer)).get(pk=pk)
        return OfferSerializer(offer, context=self.get_serializer_context()).data


@extend_schema(parameters=[OfferQuery])
class OfferList(WithFacts, DomainListView[Offer]):
    def get_queryset(self) -> QuerySet[Offer]:
        offers = with_card_hours_sold(offers_for(self.viewer))
        return offers.filter(**OfferQuery.of(self.request))

    @extend_schema(request=OfferForm, responses={201: OfferSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """List cards of a fleet for sale, in the currency of its zone."""
        form = OfferForm(data=request.data, context={"view": self})
        form.is_valid(raise_exception=True)
        fleet = form.validated_data["fleet"]
        offer = services.create_offer(
            viewer=self.viewer,
            fleet=fleet,
            offer=form.offer(),
            now=self.now,
            reserved_for=form.validated_data["reserved_for"],
        )
        return _created(request, offer, self.shown(offer.pk))


class OfferDetail(WithFacts, DomainDetailView[Offer]):
    def get_queryset(self) -> QuerySet[Offer]:
        return with_card_hours_sold(offers_for(self.viewer))

    @extend_schema(request=OfferChangeForm, responses={200: OfferSerializer})
    def patch(self, request: Request, pk: int) -> Response:
        """Change asks; cards and window too, as long as the window has not begun."""
        offer = get_object_or_404(offers_for(self.viewer), pk=pk)
        form = OfferChangeForm(data=request.data)
        form.is_valid(raise_exception=True)
        services.amend_offer(viewer=self.viewer, offer=offer, change=form.change(), now=self.now)
        return Response(self.shown(pk))


class OfferBook(DomainView):
    @extend_schema(responses={200: OfferBookSerializer})
    def get(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        """Hour by hour: the ask, and how many cards are offered, sold and free."""
        offer = get_object_or_404(offers_for(self.viewer), pk=pk)
        return Response(OfferBookSerializer({"offer": offer.pk, "hours": offer_book(offer)}).data)


class OfferWithdrawal(WithFacts):
    @extend_schema(request=None, responses={200: OfferSerializer})
    def post(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        """Take what is not sold off the market. What is sold stays sold."""
        offer = get_object_or_404(offers_for(self.viewer), pk=pk)
        services.withdraw_offer(viewer=self.viewer, offer=offer, now=self.now)
        return Response(self.shown(pk))
