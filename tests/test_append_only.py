"""What is kept for ever is not emptied at a stroke either."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models

NAMES = {
    model: {trigger.name for trigger in getattr(model._meta, "triggers", [])} for model in apps.get_models()
}
KEPT = [model for model, names in NAMES.items() if names & {"keep", "never_changed", "never_deleted"}]


def test_nothing_that_is_never_deleted_is_left_out() -> None:
    assert len(KEPT) > 25
    assert [model.__name__ for model in KEPT if "never_truncated" not in NAMES[model]] == []


@pytest.mark.django_db
@pytest.mark.parametrize("model", KEPT, ids=lambda model: model._meta.label)
def test_the_database_refuses_to_truncate(model: type[models.Model]) -> None:
    table = model._meta.db_table
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match=f"Cannot truncate {table}"):
        cursor.execute(f"TRUNCATE {table} CASCADE")
