"""Fields to choose an object in. Who may see thousands of them finds one by its name, not in a list."""

from __future__ import annotations

from django import forms
from django.db.models import Model, QuerySet

MOST_OPTIONS = 200


def offer_choice(field: forms.Field, rows: QuerySet[Model]) -> None:
    """The field offers these rows; where there are more than anybody reads, links name one of them."""
    if not isinstance(field, forms.ModelChoiceField):
        raise TypeError(f"a field to choose an object in is expected, got {type(field).__name__}")
    field.queryset = rows
    if rows[: MOST_OPTIONS + 1].count() > MOST_OPTIONS:
        field.widget = forms.HiddenInput()
