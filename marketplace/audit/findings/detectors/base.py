"""What every detector is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Generic, TypeVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.audit.findings.cases import Case, Window
from marketplace.audit.findings.thresholds import Thresholds

Facts = TypeVar("Facts")
Words = str | Promise

SHARE, NUMBER, HOURS, CARD_HOURS, CARDS, WATTS, FACTOR = "share", "number", "h", "card-h", "cards", "W", "×"


class Detector(Generic[Facts]):
    """A way to see one kind of thing.

    Its docstring says what it looks for, why that is suspicious, the statistic with its source, and what it
    takes for suspicious and is not. ``read`` fetches, ``judge`` decides and touches no database. ``figures``
    are what its statistics mean to a reader, in order: words and unit.
    """

    name: ClassVar[str]
    title: ClassVar[Words]
    says: ClassVar[Words]
    figures: ClassVar[Mapping[str, tuple[Words, str]]]

    def read(self, window: Window) -> Facts:
        raise NotImplementedError

    def judge(self, facts: Facts, window: Window, limits: Thresholds) -> Iterable[Case]:
        raise NotImplementedError


HOURS_LOOKED_AT: tuple[Words, str] = (_("Hours looked at"), NUMBER)
