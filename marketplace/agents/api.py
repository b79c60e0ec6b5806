"""The API of the agents about themselves: who they are, and with which key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.agents import services
from marketplace.agents.authentication import agent_of
from marketplace.agents.keys import key_id_of, public_key_of
from marketplace.agents.models import KEY_LENGTH, Agent
from marketplace.agents.signatures import verify
from marketplace.api.views import DomainView
from marketplace.clock import floor_hour, is_of_our_time

MOST_CARDS = 20_000
IDLE_METERS = frozenset({"card-seconds.active", "utilisation.mean", "memory.mean", "power.mean", "energy.wh"})


class KeyForm(serializers.Serializer[Any]):
    public_key = serializers.CharField(
        max_length=KEY_LENGTH, help_text="32 bytes of an Ed25519 public key, in base64url without padding"
    )


class EnrolmentForm(KeyForm):
    code = serializers.CharField(max_length=80)


class AgentSerializer(serializers.ModelSerializer[Agent]):
    site_name = serializers.CharField(source="site.name_en")
    owner = serializers.IntegerField(source="site.owner_id")
    key = serializers.SerializerMethodField(help_text="What signatures call the agent’s key by.")

    class Meta:
        model = Agent
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "site",
            "site_name",
            "owner",
            "key",
            "key_since",
            "enrolled_at",
        )

    def get_key(self, agent: Agent) -> str:
        return key_id_of(agent.public_key)


class EnrolledSerializer(AgentSerializer):
    token = serializers.CharField(help_text="Never told again.")

    class Meta(AgentSerializer.Meta):
        fields = (*AgentSerializer.Meta.fields, "token")


@method_decorator(never_cache, name="dispatch")
class Enrolment(DomainView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(request=EnrolmentForm, responses={201: EnrolledSerializer}, auth=[])
    def post(self, request: Request) -> Response:
        """Become the agent of a site. The request is signed with the key that it brings."""
        signed = request._request  # noqa: SLF001 DRF's way to the Django request, which is what is signed
        signed.body  # noqa: B018 read before the parser reads it: afterwards it is gone
        form = EnrolmentForm(data=request.data)
        form.is_valid(raise_exception=True)
        text = form.validated_data["public_key"]
        wall_now = datetime.now(UTC)
        verify(signed, {key_id_of(text): public_key_of(text)}, wall_now=wall_now)
        enrolled = services.enrol(
            code=form.validated_data["code"], public_key=text, now=self.now, wall_now=wall_now
        )
        answer = AgentSerializer(enrolled.agent).data | {"token": enrolled.secret}
        return Response(answer, status=201)


class HeartbeatForm(serializers.Serializer[Any]):
    version = serializers.CharField(max_length=40)
    driver = serializers.CharField(max_length=40)
    unsent = serializers.IntegerField(min_value=0, max_value=2**31 - 1, help_text="events in the buffer")
    unsent_since = serializers.DateTimeField(allow_null=True, help_text="when the oldest was metered")
    reconciled_at = serializers.DateTimeField(allow_null=True)
    site_time = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="the site's clock, in seconds since 1970"
    )


class HeardSerializer(serializers.Serializer[Any]):
    silent_after = serializers.IntegerField(help_text="seconds, after which the site goes off the market")


class AgentHeartbeat(DomainView):
    @extend_schema(request=HeartbeatForm, responses={200: HeardSerializer})
    def post(self, request: Request) -> Response:
        """How the agent is. A site whose agent is not heard goes off the market until it is heard again."""
        agent = agent_of(request)
        form = HeartbeatForm(data=request.data)
        form.is_valid(raise_exception=True)
        services.hear(agent=agent, told=services.Heartbeat(**form.validated_data), now=self.now)
        return Response({"silent_after": int(settings.AGENT_SILENT_AFTER.total_seconds())})


class IdleCardForm(serializers.Serializer[Any]):
    card = serializers.CharField(max_length=120, help_text="node/index")
    meters = serializers.DictField(
        child=serializers.IntegerField(min_value=0, max_value=2**53),
        help_text="By meter, as in meter events; what is not known is left out.",
    )

    def validate_meters(self, meters: dict[str, int]) -> dict[str, int]:
        if unknown := sorted(set(meters) - IDLE_METERS):
            raise serializers.ValidationError(f"{', '.join(unknown)}: give {', '.join(sorted(IDLE_METERS))}.")
        return meters


class IdleHourForm(serializers.Serializer[Any]):
    slot = serializers.DateTimeField(help_text="a full hour of UTC that is over")
    cards = serializers.ListField(child=IdleCardForm(), max_length=MOST_CARDS)

    def validate_slot(self, slot: datetime) -> datetime:
        if slot != floor_hour(slot) or not is_of_our_time(slot):
            raise serializers.ValidationError("Give a full hour of UTC.")
        return slot


class StoredSerializer(serializers.Serializer[Any]):
    stored = serializers.IntegerField()


class AgentIdleCards(DomainView):
    @extend_schema(request=IdleHourForm, responses={200: StoredSerializer})
    def post(self, request: Request) -> Response:
        """What the cards that no delivery held did in an hour. Told again, it replaces what was told."""
        agent = agent_of(request)
        form = IdleHourForm(data=request.data)
        form.is_valid(raise_exception=True)
        told = form.validated_data
        cards = {row["card"]: row["meters"] for row in told["cards"]}
        stored = services.store_idle_hour(agent=agent, slot=told["slot"], cards=cards, now=self.now)
        return Response({"stored": stored})


class AgentSelf(DomainView):
    @extend_schema(responses={200: AgentSerializer})
    def get(self, request: Request) -> Response:
        """Who the agent is to the exchange, and which of its keys is the one in use."""
        agent = agent_of(request)
        agent.refresh_from_db(fields=["public_key", "key_since"])
        return Response(AgentSerializer(agent).data)


class AgentKey(DomainView):
    @extend_schema(request=KeyForm, responses={200: AgentSerializer})
    def post(self, request: Request) -> Response:
        """Announce the next key, under the one of today. When the next one is first used, this one ends."""
        agent = agent_of(request)
        form = KeyForm(data=request.data)
        form.is_valid(raise_exception=True)
        text = form.validated_data["public_key"]
        public_key_of(text)
        services.announce_key(agent=agent, public_key=text, now=self.now)
        return Response(AgentSerializer(agent).data)
