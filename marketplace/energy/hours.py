"""What is said of one hour: how it is read, from a line of a file or of the API, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from marketplace.catalogue.models import HIGHEST_GRID_CARBON
from marketplace.clock import floor_hour, is_of_our_time

COLUMNS = ("hour", "pue", "grid", "direct", "certificate", "mix", "surplus", "tariff", "currency")
NEEDED = ("hour", "pue", "grid")
NOT_FAR_AHEAD = timedelta(days=400)
NONE_OF_IT = Decimal(0)


def _share(words: str) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=7, decimal_places=6, min_value=0, max_value=1, default=NONE_OF_IT, help_text=words
    )


class HourForm(serializers.Serializer[Any]):
    """One hour of one site. ``now`` is in the context."""

    hour = serializers.DateTimeField(help_text="a full hour in UTC")
    pue = serializers.DecimalField(max_digits=4, decimal_places=3, min_value=1)
    grid = serializers.DecimalField(
        max_digits=8,
        decimal_places=3,
        min_value=0,
        max_value=HIGHEST_GRID_CARBON,
        help_text="gCO₂/kWh of the grid there and then, location-based",
    )
    direct = _share("share of what the site draws that comes by a direct line to a renewable plant")
    certificate = _share("share of what the site draws that certificates of that hour cover")
    mix = _share("share of what the site draws that is renewable as part of the grid's mix")
    surplus = serializers.BooleanField(default=False, help_text="green power would be curtailed")
    tariff = serializers.DecimalField(
        max_digits=12, decimal_places=6, min_value=0, allow_null=True, default=None, help_text="for a kWh"
    )
    currency = serializers.RegexField("^[A-Z]{3}$", default="", allow_blank=True)

    def validate_hour(self, hour: datetime) -> datetime:
        if not is_of_our_time(hour) or hour != floor_hour(hour):
            raise serializers.ValidationError(_("A full hour is expected, for example 2026-03-02T08:00Z."))
        if hour > self.context["now"] + NOT_FAR_AHEAD:
            raise serializers.ValidationError(_("Nobody knows an hour that is so far ahead."))
        return hour

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["direct"] + given["certificate"] + given["mix"] > 1:
            problem = _("The shares by source are more than the whole together.")
            raise serializers.ValidationError({"mix": problem})
        if (given["tariff"] is None) != (not given["currency"]):
            problem = _("A tariff and its currency are given together, or neither.")
            raise serializers.ValidationError({"tariff": problem})
        return given


class HoursForm(serializers.Serializer[Any]):
    """Hours of one site, as many as a batch may have."""

    name = serializers.CharField(max_length=120, help_text="what the figures were read from")
    basis = serializers.ChoiceField(choices=["metered", "contract", "forecast"])
    hours = serializers.ListField(child=HourForm(), allow_empty=False, max_length=10_000)

    def validate_hours(self, hours: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({each["hour"] for each in hours}) < len(hours):
            raise serializers.ValidationError(_("An hour is given twice."))
        return hours
