"""Forms of sites, fleets and offers. Whether the figures make sense is for the rules to say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marketplace.catalogue.models import AcceleratorModel, Region, SoftwareStack
from marketplace.clock import HOUR, hours_between
from marketplace.supply.models import Fleet, Offer, Site
from marketplace.supply.rules import LONGEST_OFFER_HOURS, FleetInput, OfferChange, OfferInput, SiteInput
from marketplace.terms.models import TermAgreement
from marketplace.web import formats
from marketplace.web.choices import offer_choice
from marketplace.web.fields import ExactField, HourField, PercentField

LARGEST = 2**31 - 1
DAY_BEGINS, DAY_ENDS = 8, 22


def _kilowatts() -> ExactField:
    return ExactField(
        label=_("Power for cards sold here, at most"),
        max_digits=9,
        decimal_places=3,
        required=False,
        help_text=_(
            "Together the cards sold on the exchange draw no more in any hour, by their rated power. "
            "Leave it empty where power is no limit."
        ),
    )


class SiteForm(forms.Form):
    name_en = forms.CharField(label=_("Name in English"), max_length=120)
    name_zh = forms.CharField(label=_("Name in Chinese"), max_length=120)
    region = forms.ModelChoiceField(
        Region.objects.select_related("zone").order_by("zone__slug", "name_en"),
        label=_("Region"),
        help_text=_("The region decides the price zone, and with it the currency of your offers."),
    )
    pue = ExactField(
        label=_("PUE"),
        max_digits=4,
        decimal_places=3,
        help_text=_("Power usage effectiveness over the last year, 1 or more."),
    )
    renewable_share = PercentField(label=_("Renewable power"))
    bandwidth_mbps = forms.IntegerField(label=_("Bandwidth to the internet"), max_value=LARGEST)
    power_cap_kw = _kilowatts()

    def site(self) -> SiteInput:
        return SiteInput(**self.cleaned_data)


class PowerCapForm(forms.Form):
    power_cap_kw = _kilowatts()


class ResizeForm(forms.Form):
    cards = forms.IntegerField(label=_("Cards installed"), max_value=LARGEST)


class FleetForm(forms.Form):
    model = forms.ModelChoiceField(AcceleratorModel.objects.all(), label=_("Accelerator model"))
    stack = forms.ModelChoiceField(
        SoftwareStack.objects.order_by("name"),
        label=_("Software stack"),
        required=False,
        help_text=_("Leave it empty for the stack that the model usually runs."),
    )
    cards = forms.IntegerField(label=_("Cards installed"), max_value=LARGEST)
    node_size = forms.IntegerField(label=_("Cards in one node"), max_value=LARGEST)
    interconnect = forms.CharField(
        label=_("Interconnect"), max_length=60, help_text=_("How the nodes are joined, e.g. InfiniBand NDR.")
    )
    installed_at = HourField(label=_("Installed since"))

    def fleet(self) -> FleetInput:
        return FleetInput(**self.cleaned_data)


class FleetChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    def label_from_instance(self, fleet: Fleet) -> str:
        cards, currency = formats.cards(fleet.cards), fleet.site.region.zone.currency
        return f"{fleet.site} · {fleet.model} · {cards} · {currency}"


def night_ask_field() -> ExactField:
    return ExactField(
        label=_("Ask at night"),
        max_digits=18,
        decimal_places=6,
        required=False,
        help_text=_("Leave it empty for one ask around the clock."),
    )


class AsksForm(forms.Form):
    """One ask for every hour, or one for the day and one for the night of the reader's zone."""

    asks = ExactField(
        label=_("Ask"),
        max_digits=18,
        decimal_places=6,
        help_text=_(
            "The least you take for a card-hour. You are paid the clearing price, which is never lower."
        ),
    )
    night_ask = night_ask_field()
    day_begins = forms.IntegerField(
        label=_("The day begins at"), min_value=0, max_value=23, initial=DAY_BEGINS, required=False
    )
    day_ends = forms.IntegerField(
        label=_("The day ends at"), min_value=1, max_value=24, initial=DAY_ENDS, required=False
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("night_ask") is not None and self._day(data)[0] >= self._day(data)[1]:
            self.add_error("day_ends", _("The day ends after it begins."))
        return data

    def each_ask(self, starts_at: datetime, ends_at: datetime) -> tuple[Decimal, ...]:
        """One ask, or one for each hour of the window."""
        data = self.cleaned_data
        day, night = data["asks"], data["night_ask"]
        seconds = (ends_at - starts_at).total_seconds()
        if night is None or seconds % 3600 or not 0 < seconds <= LONGEST_OFFER_HOURS * 3600:
            return (day,)
        begins, ends = self._day(data)
        hours = (
            timezone.localtime(starts_at + n * HOUR).hour for n in range(hours_between(starts_at, ends_at))
        )
        return tuple(day if begins <= hour < ends else night for hour in hours)

    @staticmethod
    def _day(data: dict[str, Any]) -> tuple[int, int]:
        begins, ends = data.get("day_begins"), data.get("day_ends")
        return (DAY_BEGINS if begins is None else begins), (DAY_ENDS if ends is None else ends)


class OfferForm(AsksForm):
    fleet = FleetChoice(Fleet.objects.none(), label=_("Fleet"))
    cards = forms.IntegerField(label=_("Cards"), max_value=LARGEST)
    starts_at = HourField(label=_("From"))
    ends_at = HourField(label=_("Until"))
    lot = forms.IntegerField(
        label=_("Lot"),
        max_value=LARGEST,
        initial=1,
        help_text=_("Cards are sold in multiples of this. The node size keeps nodes whole."),
    )
    minimum_hours = forms.IntegerField(label=_("Shortest sale"), max_value=LARGEST, initial=1)
    notice_minutes = forms.IntegerField(
        label=_("Notice before an interruption"),
        max_value=LARGEST,
        initial=0,
        help_text=_("How long before an interruption you tell the buyer. Buyers may ask for a least notice."),
    )
    reserved_for = forms.TypedChoiceField(
        label=_("Reserved for"),
        required=False,
        coerce=int,
        empty_value=None,
        help_text=_(
            "Only what is called off under the agreement is sold then, at its price: leave the ask empty."
        ),
    )

    def __init__(
        self,
        *args: Any,
        fleets: QuerySet[Fleet],
        agreements: Sequence[TermAgreement] = (),
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        choices = [(str(each.pk), f"{each}, {each.buyer}") for each in agreements]
        reserved_for, asks = self.fields["reserved_for"], self.fields["asks"]
        asks.required = not agreements
        if isinstance(reserved_for, forms.ChoiceField):
            reserved_for.choices = [("", _("Nobody")), *choices]
        field = self.fields["fleet"]
        if isinstance(field, FleetChoice):
            field.queryset = fleets

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if "asks" not in self.errors and data.get("asks") is None and data.get("reserved_for") is None:
            self.add_error("asks", self.fields["asks"].error_messages["required"])
        return data

    def offer(self) -> OfferInput:
        data = self.cleaned_data
        asks = () if data["asks"] is None else self.each_ask(data["starts_at"], data["ends_at"])
        return OfferInput(
            cards=data["cards"],
            starts_at=data["starts_at"],
            ends_at=data["ends_at"],
            asks=asks,
            lot=data["lot"],
            minimum_hours=data["minimum_hours"],
            notice_minutes=data["notice_minutes"],
        )


class AmendForm(AsksForm):
    """New asks for the whole window of an offer."""

    def __init__(self, data: QueryDict | None, *, offer: Offer) -> None:
        self.offer = offer
        super().__init__(data, initial=asks_initial(offer))

    def change(self) -> OfferChange:
        return OfferChange(asks=self.each_ask(self.offer.starts_at, self.offer.ends_at))


class OfferFilter(forms.Form):
    """What of the list is shown; a value that does not exist shows everything."""

    STATES = (
        ("", _("Any state")),
        ("open", _("Open")),
        ("ended", _("Ended")),
        ("withdrawn", _("Withdrawn")),
    )
    state = forms.ChoiceField(label=_("State"), choices=STATES, required=False)
    model = forms.ModelChoiceField(
        AcceleratorModel.objects.all(), label=_("Model"), required=False, empty_label=_("Any model")
    )
    site = forms.ModelChoiceField(
        Site.objects.none(), label=_("Site"), required=False, empty_label=_("Any site")
    )
    batch = forms.IntegerField(required=False, widget=forms.HiddenInput(), max_value=LARGEST)

    def __init__(self, *args: Any, sites: QuerySet[Site], **options: Any) -> None:
        super().__init__(*args, **options)
        offer_choice(self.fields["site"], sites)
        offer_choice(self.fields["model"], _installed_at(sites))

    def of(self, offers: QuerySet[Offer], now: datetime) -> QuerySet[Offer]:
        self.is_valid()
        chosen = self.cleaned_data
        state = chosen.get("state")
        if state == "withdrawn":
            offers = offers.filter(state=Offer.State.WITHDRAWN)
        elif state:
            over = {"ends_at__lte": now} if state == "ended" else {"ends_at__gt": now}
            offers = offers.filter(state=Offer.State.OPEN, **over)
        if chosen.get("model"):
            offers = offers.filter(fleet__model=chosen["model"])
        if chosen.get("batch") is not None:
            offers = offers.filter(batch=chosen["batch"])
        return offers.filter(fleet__site=chosen["site"]) if chosen.get("site") else offers


def _installed_at(sites: QuerySet[Site]) -> QuerySet[AcceleratorModel]:
    return AcceleratorModel.objects.filter(fleets__site__in=sites.order_by()).distinct()


def asks_initial(offer: Offer) -> dict[str, Any]:
    """The asks of an offer as the form has them, where it has words for them."""
    distinct = sorted(set(offer.asks), reverse=True)
    if len(distinct) == 1:
        return {"asks": distinct[0]}
    if len(distinct) != 2:
        return {}
    day, night = distinct
    hours = _hours_with(offer, day)
    if not hours or hours != list(range(hours[0], hours[-1] + 1)):
        return {}
    return {"asks": day, "night_ask": night, "day_begins": hours[0], "day_ends": hours[-1] + 1}


def _hours_with(offer: Offer, ask: Decimal) -> Sequence[int]:
    """Hours of the reader's day in which an offer of hourly asks has this one."""
    moments = (offer.starts_at + n * HOUR for n, each in enumerate(offer.asks) if each == ask)
    return sorted({timezone.localtime(moment).hour for moment in moments})
