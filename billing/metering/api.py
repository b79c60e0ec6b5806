"""The API of metering: events in, readings and conflicts out."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from billing.metering import events
from billing.metering.models import Reading, ReadingConflict
from billing.metering.rules import Reason
from billing.metering.selectors import conflicts_for, readings_for
from billing.metering.services import Status, store_events
from billing.query import Filters
from marketplace.api.views import DomainListView, DomainView


class CloudEventsParser(BaseParser):
    """Hands on the body as it came; ``events`` reads it. Takes no more than the limit."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:  # noqa: ARG002
        content: bytes = stream.read(events.MOST_BYTES + 1)
        if len(content) > events.MOST_BYTES:
            raise events.BatchTooLarge(
                f"Send at most {events.MOST_BYTES} bytes and {events.MOST_EVENTS} events."
            )
        return content


class BatchParser(CloudEventsParser):
    media_type = events.BATCH


class SingleParser(CloudEventsParser):
    media_type = events.SINGLE


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
    parser_classes = (BatchParser, SingleParser)

    @extend_schema(
        operation_id="meter_events_create",
        request={
            events.BATCH: {"type": "array", "items": {"type": "object"}, "maxItems": events.MOST_EVENTS},
            events.SINGLE: {"type": "object"},
        },
        responses=BatchAnswerSerializer,
    )
    def post(self, request: Request) -> Response:
        """Take meter events in. Each is answered on its own; accepted ones are on disk.

        Send a batch again whenever its answer was lost: what is stored answers as duplicate.
        """
        single = (request.content_type or "").startswith(events.SINGLE)
        # Without a body no parser is asked.
        content: Any = request.data or b""
        batch = (events.read_single if single else events.read_batch)(content)
        answers = store_events(batch, viewer=self.viewer, now=self.now)
        counts = Counter(answer.status.value for answer in answers)
        return Response(
            {
                **{status.value: counts[status.value] for status in Status},
                "results": [
                    {
                        "source": answer.source,
                        "id": answer.id,
                        "status": answer.status.value,
                        "reason": answer.reason,
                        "message": answer.message,
                    }
                    for answer in answers
                ],
            }
        )


class ReadingSerializer(serializers.ModelSerializer[Reading]):
    agreement = serializers.IntegerField(source="delivery.agreement_id")

    class Meta:
        model = Reading
        fields = (
            "id", "source", "event_id", "delivery", "agreement", "meter", "slot", "starts_at", "ends_at",
            "quantity", "body_digest", "received_at",
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


class ConflictSerializer(serializers.ModelSerializer[ReadingConflict]):
    source = serializers.CharField(source="reading.source")  # type: ignore[assignment]  # a field of that name
    event_id = serializers.CharField(source="reading.event_id")
    delivery = serializers.IntegerField(source="reading.delivery_id")

    class Meta:
        model = ReadingConflict
        fields = ("id", "reading", "source", "event_id", "delivery", "body", "body_digest", "received_at")


class ConflictList(DomainListView[ReadingConflict]):
    """Events whose id was known with another body."""

    serializer_class = ConflictSerializer

    def get_queryset(self) -> QuerySet[ReadingConflict]:
        return conflicts_for(self.viewer)
