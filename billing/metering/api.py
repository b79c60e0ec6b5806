"""The API of metering: events in, readings, hours and conflicts out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from billing.metering import events
from billing.metering.content import unpacked
from billing.metering.events import ReadEvent, UnreadableEvent
from billing.metering.models import MeteredHour, Reading, ReadingConflict
from billing.metering.rules import Reason
from billing.metering.selectors import conflicts_for, hours_for, readings_for
from billing.metering.services import STATUS, Answer, Status, store_events
from billing.query import Filters
from marketplace.api.views import DomainListView, DomainView

JSON = "application/json"


class CloudEventsParser(BaseParser):
    """Hands on the body as it came, and one byte more than there may be; ``events`` reads it."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:  # noqa: ARG002
        return stream.read(events.MOST_BYTES + 1)


class BatchParser(CloudEventsParser):
    media_type = events.BATCH


class SingleParser(CloudEventsParser):
    media_type = events.SINGLE


class BinaryParser(CloudEventsParser):
    media_type = JSON


class AnswerSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # a field of that name
    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    reason = serializers.ChoiceField(
        choices=["", "conflict", *(reason.value for reason in Reason)],
        help_text="Why it was not accepted; empty for accepted and duplicate events.",
    )
    message = serializers.CharField()


class BatchAnswerSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    conflict = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = AnswerSerializer(many=True, help_text="One for each event, in the order of the batch.")


class MeterEventsView(DomainView):
    """Nothing between the wire and ``store_events`` but who asks: no serializers on the way in or out."""

    parser_classes = (BatchParser, SingleParser, BinaryParser)

    @extend_schema(
        operation_id="meter_events_create",
        parameters=[
            OpenApiParameter(
                "Content-Encoding",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                enum=["gzip"],
                description="Of a body that is packed.",
            )
        ],
        request={
            events.BATCH: {"type": "array", "items": {"type": "object"}, "maxItems": events.MOST_EVENTS},
            events.SINGLE: {"type": "object"},
            JSON: {"type": "object", "description": "The data alone; the attributes are headers ce-…"},
        },
        responses=BatchAnswerSerializer,
    )
    def post(self, request: Request) -> HttpResponse:
        """Take meter events in. Each is answered on its own; accepted ones are on disk.

        Send a batch again whenever its answer was lost: what is stored answers as duplicate.
        """
        answers = store_events(_read(request), viewer=self.viewer, now=self.now)
        return HttpResponse(_encoded(answers), content_type=JSON)


def _read(request: Request) -> list[ReadEvent | UnreadableEvent]:
    """The events of any of the three modes; in binary mode the headers tell them from other JSON."""
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    if media_type == JSON and "ce-specversion" not in request.headers:
        raise UnsupportedMediaType(media_type)
    # Without a body no parser is asked.
    sent = cast("bytes", request.data or b"")
    content = unpacked(sent, request.headers.get("Content-Encoding", ""))
    match media_type:
        case events.BATCH:
            return events.read_batch(content)
        case events.SINGLE:
            return events.read_single(content)
    return events.read_binary(request.headers, content)


def _encoded(answers: Sequence[Answer]) -> bytes:
    counts = Counter(map(STATUS, answers))
    return msgspec.json.encode({**{status.value: counts[status] for status in Status}, "results": answers})


class ReadingSerializer(serializers.ModelSerializer[Reading]):
    agreement = serializers.IntegerField(source="delivery.agreement_id")
    sign = serializers.IntegerField(help_text="1, or -1 where it takes a reading back that was corrected.")
    body_digest = serializers.CharField(help_text="SHA-256 of the event as it was received.")

    class Meta:
        model = Reading
        fields = (
            "id", "source", "event_id", "delivery", "agreement", "meter", "slot", "starts_at", "ends_at",
            "sign", "quantity", "body_digest", "received_at",
        )  # fmt: skip


class ReadingList(DomainListView[Reading]):
    serializer_class = ReadingSerializer
    filters = Filters(
        integers={"delivery": "delivery", "agreement": "delivery__agreement"},
        texts={"meter": "meter"},
        moments={"slot": "slot", "from": "slot__gte", "until": "slot__lt"},
    )

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Reading]:
        return self.filters.apply(readings_for(self.viewer), self.request.query_params)


class MeteredHourSerializer(serializers.ModelSerializer[MeteredHour]):
    agreement = serializers.IntegerField(source="delivery.agreement_id")
    quantity = serializers.DecimalField(
        source="figure",
        max_digits=30,
        decimal_places=6,
        allow_null=True,
        help_text="The sum of the quantities, or the mean, weighted by time.",
    )

    class Meta:
        model = MeteredHour
        fields = ("id", "delivery", "agreement", "meter", "slot", "quantity", "readings")


class MeteredHourList(DomainListView[MeteredHour]):
    """What the readings of an hour add up to."""

    serializer_class = MeteredHourSerializer
    filters = ReadingList.filters

    @extend_schema(parameters=filters.parameters())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[MeteredHour]:
        return self.filters.apply(hours_for(self.viewer), self.request.query_params)


class ConflictSerializer(serializers.ModelSerializer[ReadingConflict]):
    reading = serializers.IntegerField(source="event.reading")
    event_id = serializers.CharField(source="event_name")
    counted = serializers.SerializerMethodField(help_text="The body that counts; null when it was archived.")
    body = serializers.SerializerMethodField()

    class Meta:
        model = ReadingConflict
        fields = (
            "id", "reading", "source", "event_id", "delivery", "counted", "body", "body_digest",
            "received_at",
        )  # fmt: skip

    def get_counted(self, conflict: ReadingConflict) -> dict[str, Any] | None:
        return json.loads(conflict.counted) if conflict.counted else None

    def get_body(self, conflict: ReadingConflict) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(conflict.body)
        return body


class ConflictList(DomainListView[ReadingConflict]):
    """Events whose id was known with another body."""

    serializer_class = ConflictSerializer

    def get_queryset(self) -> QuerySet[ReadingConflict]:
        return conflicts_for(self.viewer)
