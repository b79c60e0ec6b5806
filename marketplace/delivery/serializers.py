"""How deliveries look on the wire: to agents without prices, to the two parties with their agreement."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers

from marketplace.delivery.changes import LONGEST
from marketplace.delivery.models import (
    AcceptanceTest,
    Delivery,
    DeliveryState,
    DeliveryTransition,
    Replacement,
    Suspension,
)
from marketplace.delivery.services import Step
from marketplace.supply.rules import RoundTripInput

FLEET = "agreement.allocation.offer.fleet"
MOST_STEPS = 500


class TransitionSerializer(serializers.ModelSerializer[DeliveryTransition]):
    class Meta:
        model = DeliveryTransition
        fields = ("delivery", "from_state", "to_state", "at", "report")


class SuspensionSerializer(serializers.ModelSerializer[Suspension]):
    class Meta:
        model = Suspension
        fields = ("starts_at", "ends_at", "reason")


class AcceptanceTestSerializer(serializers.ModelSerializer[AcceptanceTest]):
    class Meta:
        model = AcceptanceTest
        fields = ("at", "passed", "checks", "probe", "evidence")


class ReplacementSerializer(serializers.ModelSerializer[Replacement]):
    class Meta:
        model = Replacement
        fields = ("request", "why_not", "made_at")


class AgentDeliverySerializer(serializers.ModelSerializer[Delivery]):
    buyer = serializers.IntegerField(source="agreement.buyer_id", read_only=True)
    cards = serializers.IntegerField(source="agreement.cards", read_only=True)
    model = serializers.CharField(source=f"{FLEET}.model.slug", read_only=True)
    memory_gb = serializers.DecimalField(
        source=f"{FLEET}.model.memory_gb", max_digits=8, decimal_places=2, read_only=True, allow_null=True
    )
    tdp_w = serializers.IntegerField(source=f"{FLEET}.model.tdp_w", read_only=True, allow_null=True)
    stack = serializers.CharField(source=f"{FLEET}.stack.slug", read_only=True)
    fleet = serializers.IntegerField(source=f"{FLEET}.pk", read_only=True)
    state_since = serializers.DateTimeField(read_only=True, allow_null=True)
    suspensions = SuspensionSerializer(many=True, read_only=True)
    retries_left = serializers.SerializerMethodField()
    access_key = serializers.CharField(
        source="agreement.buyer.access_key.public_key", read_only=True, default=None, allow_null=True
    )
    access_given = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields = (
            "id",
            "agreement",
            "buyer",
            "site",
            "fleet",
            "state",
            "state_since",
            "starts_at",
            "ends_at",
            "active_from",
            "active_until",
            "suspensions",
            "held",
            "retries_left",
            "access_key",
            "access_given",
            "cards",
            "model",
            "memory_gb",
            "tdp_w",
            "stack",
        )

    def get_access_given(self, delivery: Delivery) -> bool:
        return hasattr(delivery, "access")

    def get_retries_left(self, delivery: Delivery) -> int:
        return max(0, settings.DELIVERY_RETRIES - delivery.retries)


class ClockSerializer(serializers.Serializer[Any]):
    market_time = serializers.DateTimeField()
    clock_speed = serializers.IntegerField()


class ChangesQuery(serializers.Serializer[Any]):
    after = serializers.CharField(max_length=64, default="", help_text="the version that is known")
    wait = serializers.IntegerField(min_value=0, max_value=LONGEST, default=0, help_text="seconds")


class ChangesSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    waited = serializers.BooleanField(help_text="False where there was no room to wait.")


class AgentPageSerializer(ClockSerializer):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = AgentDeliverySerializer(many=True)


class DeliveryQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=DeliveryState.choices, required=False)


class AgentQuery(DeliveryQuery):
    due_before = serializers.DateTimeField(
        required=False, help_text="Default: an hour from now, market time."
    )
    over_since = serializers.DateTimeField(
        required=False, help_text="List instead what was active and is over, to catch up on its usage."
    )


class StepForm(serializers.Serializer[Any]):
    to = serializers.ChoiceField(choices=DeliveryState.choices)
    at = serializers.DateTimeField()
    report = serializers.DictField(required=False)

    def step(self) -> Step:
        return step_of(self.validated_data)


class StepOfDeliveryForm(StepForm):
    delivery = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class StepsForm(serializers.Serializer[Any]):
    transitions = serializers.ListField(child=StepOfDeliveryForm(), max_length=MOST_STEPS)


class StepResultSerializer(serializers.Serializer[Any]):
    """``status`` is what the step alone would have been answered with; ``problem`` says why not 200."""

    delivery = serializers.IntegerField()
    to = serializers.CharField()
    status = serializers.IntegerField()
    transition = TransitionSerializer(allow_null=True)
    problem = serializers.DictField(allow_null=True)


class StepResultsSerializer(serializers.Serializer[Any]):
    results = StepResultSerializer(many=True)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    buyer = serializers.IntegerField(source="agreement.buyer_id", read_only=True)
    owner = serializers.IntegerField(source="agreement.owner_id", read_only=True)
    cards = serializers.IntegerField(source="agreement.cards", read_only=True)
    model = serializers.CharField(source=f"{FLEET}.model.slug", read_only=True)
    region = serializers.CharField(source="site.region.slug", read_only=True)
    suspensions = SuspensionSerializer(many=True, read_only=True)
    replacement = ReplacementSerializer(read_only=True)
    tests = AcceptanceTestSerializer(many=True, read_only=True)
    transitions = TransitionSerializer(many=True, read_only=True)

    class Meta:
        model = Delivery
        fields = (
            "id",
            "agreement",
            "buyer",
            "owner",
            "site",
            "region",
            "model",
            "cards",
            "state",
            "starts_at",
            "ends_at",
            "active_from",
            "active_until",
            "acceptance",
            "tests",
            "retries",
            "held",
            "suspensions",
            "failure",
            "fault",
            "replacement",
            "transitions",
        )


def step_of(data: dict[str, Any]) -> Step:
    return Step(to=data["to"], at=data["at"], report=data.get("report", {}))


class ProbeSerializer(serializers.Serializer[Any]):
    region = serializers.CharField()
    address = serializers.CharField()


class ProbesSerializer(serializers.Serializer[Any]):
    probes = ProbeSerializer(many=True)


class AccessForm(serializers.Serializer[Any]):
    """Sealed by HPKE to ``access_key``: see the documentation of the agent."""

    sealed = serializers.CharField()


class RoundTripForm(serializers.Serializer[Any]):
    """``microseconds`` is the median of the attempts that were answered; null where all were lost."""

    region = serializers.SlugField()
    at = serializers.DateTimeField()
    microseconds = serializers.IntegerField(min_value=1, max_value=2**31 - 1, allow_null=True)
    sent = serializers.IntegerField(min_value=1, max_value=1_000)
    lost = serializers.IntegerField(min_value=0, max_value=1_000)


class RoundTripsForm(serializers.Serializer[Any]):
    site = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    measurements = serializers.ListField(child=RoundTripForm(), max_length=MOST_STEPS)

    def measured(self) -> list[RoundTripInput]:
        return [RoundTripInput(**one) for one in self.validated_data["measurements"]]
