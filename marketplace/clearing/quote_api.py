"""Quotes over the API: what a request would cost now."""

from __future__ import annotations

from decimal import ROUND_FLOOR
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.views import DomainView
from marketplace.clearing.models import Explanation
from marketplace.clearing.quote import problems, quotes
from marketplace.demand.serializers import WantedForm
from marketplace.errors import InvalidInput


class CostSerializer(serializers.Serializer[Any]):
    """In the request's currency. ``share`` is the part of what is wanted that would be had."""

    total = serializers.DecimalField(max_digits=30, decimal_places=6)
    unit = serializers.DecimalField(max_digits=24, decimal_places=6, help_text="Per card or nP, and hour.")
    share = serializers.DecimalField(max_digits=7, decimal_places=6, rounding=ROUND_FLOOR)
    starts_at = serializers.DateTimeField()
    hours = serializers.IntegerField()
    within_limit = serializers.BooleanField()


class RemovedSerializer(serializers.Serializer[Any]):
    constraint = serializers.ChoiceField(choices=Explanation.Binding.choices)
    offers = serializers.IntegerField()


class ProductSerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    zone = serializers.CharField()
    sites = serializers.IntegerField()
    unit = serializers.DecimalField(
        max_digits=24, decimal_places=6, help_text="From, per card or nP, and hour."
    )


class ChanceSerializer(serializers.Serializer[Any]):
    """Judged from the depth of the book: ``cover`` is how often what there is within the limit holds what is
    asked for; after ``left`` of the last ``runs`` others would have left enough of it.
    """

    cover = serializers.DecimalField(max_digits=24, decimal_places=3, rounding=ROUND_FLOOR)
    runs = serializers.IntegerField()
    left = serializers.IntegerField()
    probability = serializers.DecimalField(
        max_digits=4, decimal_places=3, allow_null=True, help_text="null where no run is known."
    )


class DroppedSerializer(serializers.Serializer[Any]):
    """What would be if this one constraint were not asked for."""

    constraint = serializers.ChoiceField(choices=Explanation.Binding.choices)
    cost = CostSerializer(allow_null=True)
    more_offers = serializers.IntegerField()
    more_sites = serializers.IntegerField()


class QuoteSerializer(serializers.Serializer[Any]):
    """``market`` counts all open offers; ``removed`` those that each constraint takes away, in this order;
    ``offers``, ``sites`` and ``zones`` have cards for it, whatever they cost.
    """

    market = serializers.IntegerField()
    removed = RemovedSerializer(many=True)
    offers = serializers.IntegerField()
    sites = serializers.IntegerField()
    zones = serializers.IntegerField()
    cost = CostSerializer(allow_null=True, help_text="null where the offers have too few cards.")
    chance = ChanceSerializer(allow_null=True, help_text="Of the next run; null where there is no cost.")
    products = ProductSerializer(many=True, help_text="The cheapest of those that would do.")
    without = DroppedSerializer(many=True)


class QuotesSerializer(serializers.Serializer[Any]):
    """``null`` stands for an alternative that is not part of the market yet: it does not fit into its hours,
    or its currency has no exchange rate.
    """

    at = serializers.DateTimeField(help_text="The moment of the offers and prices.")
    currency = serializers.CharField()
    alternatives = serializers.ListField(child=QuoteSerializer(allow_null=True))


class QuoteList(DomainView):
    @extend_schema(request=WantedForm, responses=QuotesSerializer)
    def post(self, request: Request) -> Response:
        """What a request would cost now, without entering it: the cheapest way to have each alternative at
        the asks, or at the last prices where these are higher, as if nobody else were asking; and what each
        constraint costs. 503 `quotes_in_preparation` while the market is being read.
        """
        form = WantedForm(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.request_input()
        wrong = dict(problems(asked, now=self.now))
        if wrong:
            raise InvalidInput(_("The request cannot enter the market."), wrong)
        found = quotes(asked, now=self.now)
        answer = {"at": found.at, "currency": asked.currency, "alternatives": found.alternatives}
        return Response(QuotesSerializer(answer).data)
