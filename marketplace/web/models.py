"""How somebody likes the pages. Nothing of the market depends on it."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import User


class ColumnChoice(models.Model):
    """The columns of a table that somebody wants to see, by their keys."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    table = models.CharField(max_length=40)
    columns = ArrayField(models.CharField(max_length=40))

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "table"], name="column_choice_once_a_table"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.table}"
