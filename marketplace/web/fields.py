"""Form fields that several rooms share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from marketplace.clock import is_of_our_time

HOUR = 3600


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: what was posted, be it nothing, or ``None`` where the page is only opened."""
    return request.POST if request.method == "POST" else None


class HourInput(forms.DateTimeInput):
    """The browser's own picker. It steps by hours, by half hours in zones that are off by half an hour."""

    input_type = "datetime-local"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%dT%H:%M")

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        offset = timezone.localtime().utcoffset()
        whole = offset is None or offset.total_seconds() % HOUR == 0
        return super().get_context(name, value, {"step": HOUR if whole else HOUR // 4, **(attrs or {})})


class HourField(forms.DateTimeField):
    """A full hour, entered in the reader's zone."""

    widget = HourInput

    def clean(self, value: Any) -> Any:
        moment = super().clean(value)
        if moment is not None and not is_of_our_time(moment):
            raise forms.ValidationError(_("Give a time between the years 2000 and 2199."), code="year")
        if moment is not None and (moment.minute or moment.second or moment.microsecond):
            offset = timezone.localtime(moment).utcoffset()
            if offset is None or offset.total_seconds() % HOUR == 0:
                raise forms.ValidationError(_("Give a full hour."), code="not_a_full_hour")
        return moment


class Boxes(forms.CheckboxSelectMultiple):
    """Checkboxes in columns: ``columns`` are classes of the box around them, not of each one."""

    def __init__(self, columns: str = "") -> None:
        super().__init__({"class": columns})

    def create_option(self, *args: Any, **options: Any) -> dict[str, Any]:
        option = super().create_option(*args, **options)
        option["attrs"].pop("class", None)
        return option


class PercentField(forms.DecimalField):
    """A share, shown and entered in percent; the value is the share."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": 100, "decimal_places": 4, **options})

    def clean(self, value: Any) -> Decimal | None:
        percent: Decimal | None = super().clean(value)
        return None if percent is None else percent / 100

    def prepare_value(self, value: Any) -> Any:
        """A ``Decimal`` is a share from our side; text is what somebody typed."""
        return f"{(value * 100).normalize():f}" if isinstance(value, Decimal) else value


class ExactField(forms.DecimalField):
    """A decimal number that is shown without idle zeros."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value
