"""JSON in which no amount passes through a binary fraction."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder


class ExactEncoder(JSONEncoder):
    """DRF writes a ``Decimal`` that no serializer field has seen as a float; here it is text everywhere."""

    def default(self, obj: Any) -> Any:
        return format(obj, "f") if isinstance(obj, Decimal) else super().default(obj)


class ExactRenderer(JSONRenderer):
    encoder_class = ExactEncoder


def as_json(document: Any) -> bytes:
    rendered: bytes = ExactRenderer().render(document)
    return rendered
