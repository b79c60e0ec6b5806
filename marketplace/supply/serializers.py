"""How sites, fleets and offers look on the wire. Forms turn input into what the services take."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import Organisation
from accounts.selectors import organisations_for
from marketplace.catalogue.models import AcceleratorModel, Region, SoftwareStack
from marketplace.errors import InvalidInput
from marketplace.supply.models import Fleet, Offer, Site
from marketplace.supply.rules import LONGEST_OFFER_HOURS, FleetInput, OfferChange, OfferInput, SiteInput
from marketplace.supply.selectors import Facts, fleets_for, hours_of, sites_for

LARGEST = 2**31 - 1
LARGEST_ID = 2**63 - 1


class SiteSerializer(serializers.ModelSerializer[Site]):
    region = serializers.SlugRelatedField[Region](slug_field="slug", read_only=True)
    zone = serializers.CharField(source="region.zone.slug", read_only=True)
    currency = serializers.CharField(source="region.zone.currency", read_only=True)
    fleets_installed = serializers.IntegerField(read_only=True)
    cards_installed = serializers.IntegerField(read_only=True)

    class Meta:
        model = Site
        fields = (
            "id",
            "owner",
            "name_en",
            "name_zh",
            "region",
            "zone",
            "currency",
            "pue",
            "renewable_share",
            "verification",
            "bandwidth_mbps",
            "power_cap_kw",
            "fleets_installed",
            "cards_installed",
            "created_at",
        )


class FleetSerializer(serializers.ModelSerializer[Fleet]):
    model = serializers.SlugRelatedField[AcceleratorModel](slug_field="slug", read_only=True)
    stack = serializers.SlugRelatedField[SoftwareStack](slug_field="slug", read_only=True)

    class Meta:
        model = Fleet
        fields = (
            "id",
            "site",
            "model",
            "stack",
            "cards",
            "cards_since",
            "node_size",
            "interconnect",
            "installed_at",
            "created_at",
        )


class OfferSerializer(serializers.ModelSerializer[Offer]):
    """``facts`` in the context are the ``Facts`` of the moment."""

    site = serializers.IntegerField(source="fleet.site_id", read_only=True)
    model = serializers.CharField(source="fleet.model.slug", read_only=True)
    card_hours = serializers.SerializerMethodField()
    card_hours_sold = serializers.IntegerField(read_only=True)
    waits_for = serializers.SerializerMethodField(
        help_text=(
            "What an open offer is not cleared without: `agent` (the site's is silent), `fx_rate`, `power`, "
            "`memory`, or null."
        )
    )

    class Meta:
        model = Offer
        fields = (
            "id",
            "fleet",
            "site",
            "model",
            "cards",
            "starts_at",
            "ends_at",
            "asks",
            "currency",
            "lot",
            "minimum_hours",
            "notice_minutes",
            "reserved_for",
            "np_per_card",
            "state",
            "waits_for",
            "entered_at",
            "withdrawn_at",
            "card_hours",
            "card_hours_sold",
        )

    def get_card_hours(self, offer: Offer) -> int:
        return offer.cards * hours_of(offer)

    def get_waits_for(self, offer: Offer) -> str | None:
        facts: Facts = self.context["facts"]
        return facts.missing_for(offer) or None


class BookLineSerializer(serializers.Serializer[Any]):
    slot = serializers.DateTimeField()
    ask = serializers.DecimalField(max_digits=18, decimal_places=6, allow_null=True)
    offered = serializers.IntegerField()
    sold = serializers.IntegerField()
    free = serializers.IntegerField()


class OfferBookSerializer(serializers.Serializer[Any]):
    offer = serializers.IntegerField()
    hours = BookLineSerializer(many=True)


class Query(serializers.Serializer[Any]):
    """Query parameters as lookups; a value that makes no sense is refused."""

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        form = cls(data=request.query_params)
        form.is_valid(raise_exception=True)
        return dict(form.validated_data)


class FleetQuery(Query):
    site = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)


class OfferQuery(Query):
    fleet = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)
    state = serializers.ChoiceField(choices=Offer.State.choices, required=False)


class OrganisationOfViewer(serializers.PrimaryKeyRelatedField[Organisation]):
    def get_queryset(self) -> QuerySet[Organisation]:
        return organisations_for(self.context["view"].viewer)


class SiteOfViewer(serializers.PrimaryKeyRelatedField[Site]):
    def get_queryset(self) -> QuerySet[Site]:
        return sites_for(self.context["view"].viewer)


class FleetOfViewer(serializers.PrimaryKeyRelatedField[Fleet]):
    def get_queryset(self) -> QuerySet[Fleet]:
        return fleets_for(self.context["view"].viewer)


class Named(serializers.SlugRelatedField[Any]):
    """A row by its slug; to the database, a name with the character NUL is not even a text."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and "\0" in data:
            self.fail("does_not_exist", slug_name=self.slug_field, value=data)
        return super().to_internal_value(data)


def _kilowatts(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=9, decimal_places=3, allow_null=True, **options)


class SiteForm(serializers.Serializer[Any]):
    organisation = OrganisationOfViewer(required=False)
    name_en = serializers.CharField(max_length=120)
    name_zh = serializers.CharField(max_length=120)
    region = Named(slug_field="slug", queryset=Region.objects.select_related("zone"))
    pue = serializers.DecimalField(max_digits=4, decimal_places=3)
    renewable_share = serializers.DecimalField(max_digits=7, decimal_places=6)
    bandwidth_mbps = serializers.IntegerField(max_value=LARGEST)
    power_cap_kw = _kilowatts(required=False)

    def site(self) -> SiteInput:
        return SiteInput(**{k: v for k, v in self.validated_data.items() if k != "organisation"})


class SiteChangeForm(serializers.Serializer[Any]):
    power_cap_kw = _kilowatts(help_text="What the cards sold may draw together; null lifts the cap.")


class FleetChangeForm(serializers.Serializer[Any]):
    cards = serializers.IntegerField(max_value=LARGEST)


class FleetForm(serializers.Serializer[Any]):
    site = SiteOfViewer()
    model = Named(slug_field="slug", queryset=AcceleratorModel.objects.all())
    stack = Named(slug_field="slug", queryset=SoftwareStack.objects.all(), required=False)
    cards = serializers.IntegerField(max_value=LARGEST)
    node_size = serializers.IntegerField(max_value=LARGEST)
    interconnect = serializers.CharField(max_length=60)
    installed_at = serializers.DateTimeField()

    def fleet(self) -> FleetInput:
        return FleetInput(**{k: v for k, v in self.validated_data.items() if k != "site"})


def _asks(**options: Any) -> serializers.ListField:
    price = serializers.DecimalField(max_digits=18, decimal_places=6)
    return serializers.ListField(child=price, max_length=LONGEST_OFFER_HOURS, allow_empty=False, **options)


class OfferForm(serializers.Serializer[Any]):
    fleet = FleetOfViewer()
    cards = serializers.IntegerField(max_value=LARGEST)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    asks = _asks(required=False)
    lot = serializers.IntegerField(max_value=LARGEST, default=1)
    minimum_hours = serializers.IntegerField(max_value=LARGEST, default=1)
    notice_minutes = serializers.IntegerField(max_value=LARGEST, default=0)
    reserved_for = serializers.IntegerField(
        min_value=1,
        max_value=LARGEST_ID,
        required=False,
        allow_null=True,
        default=None,
        help_text="A term agreement whose call-offs alone it serves, at the agreed price: state no asks.",
    )

    def validate(self, attrs: Any) -> Any:
        if not attrs.get("asks") and attrs["reserved_for"] is None:
            raise serializers.ValidationError({"asks": _("This field is required.")})
        return attrs

    def offer(self) -> OfferInput:
        given = {k: v for k, v in self.validated_data.items() if k not in ("fleet", "reserved_for")}
        return OfferInput(**given | {"asks": tuple(given.get("asks", ()))})


class OfferChangeForm(serializers.Serializer[Any]):
    cards = serializers.IntegerField(max_value=LARGEST, required=False)
    starts_at = serializers.DateTimeField(required=False)
    ends_at = serializers.DateTimeField(required=False)
    asks = _asks(required=False)

    default_error_messages: ClassVar = {"nothing": "Name at least one of cards, starts_at, ends_at and asks."}

    def validate(self, attrs: Any) -> Any:
        if not attrs:
            self.fail("nothing")
        return attrs

    def change(self) -> OfferChange:
        given = dict(self.validated_data)
        if "asks" in given:
            given["asks"] = tuple(given["asks"])
        return OfferChange(**given)


def organisation_of(request: Request, form: serializers.Serializer[Any]) -> Organisation:
    """The organisation that the input names, or the one that the caller works for."""
    organisation: Organisation | None = form.validated_data.get("organisation") or request.organisation  # type: ignore[attr-defined]
    if organisation is None:
        raise InvalidInput("For whom is it?", {"organisation": "Name the organisation."})
    return organisation
