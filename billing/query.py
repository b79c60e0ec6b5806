"""Query parameters of the lists of billing, checked and turned into filters in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from accounts.requests import id_in
from marketplace.clock import is_of_our_time
from marketplace.errors import InvalidInput

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Filters:
    """Parameter name → lookup, by the kind of value. A value that makes no sense is a 422."""

    integers: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    moments: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)

    def apply(self, rows: QuerySet[M], query: Mapping[str, str]) -> QuerySet[M]:
        lookups: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for kind, parse in (
            (self.integers, _integer),
            (self.moments, _moment),
            (self.flags, _flag),
            (self.texts, _text),
        ):
            for name, lookup in kind.items():
                if name in query:
                    try:
                        lookups[lookup] = parse(query[name])
                    except ValueError as error:
                        wrong[name] = str(error)
        if wrong:
            raise InvalidInput(_("Some of the query parameters are not valid."), wrong)
        return rows.filter(**lookups)

    def parameters(self) -> list[OpenApiParameter]:
        kinds = (
            (self.integers, OpenApiTypes.INT),
            (self.texts, OpenApiTypes.STR),
            (self.moments, OpenApiTypes.DATETIME),
            (self.flags, OpenApiTypes.BOOL),
        )
        return [OpenApiParameter(name, kind) for names, kind in kinds for name in names]


def _integer(text: str) -> int:
    number = id_in(text)
    if number is None:
        raise ValueError(_("Give a number."))
    return number


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(_("Give a time with its UTC offset, for example 2026-01-31T08:00:00Z."))
    if not is_of_our_time(moment):
        raise ValueError(_("Give a time between the years 2000 and 2199."))
    return moment


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError(_("Give a text without the character NUL."))
    return text


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(_("Give true or false."))
    return text == "true"
