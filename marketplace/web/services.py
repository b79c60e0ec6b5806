"""What a reader changes about pages, for itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Actor
from accounts.models import User
from marketplace.errors import InvalidInput
from marketplace.web.models import ColumnChoice
from marketplace.web.tables.table import Table


@transaction.atomic
def choose_columns(*, user: User, table: Table[Any, Any], keys: Sequence[str], now: datetime) -> None:
    """From now on the person sees these columns of the table, and gets these in its CSV.

    The columns that name the rows are always there. ``InvalidInput`` for a key that is none of a column.
    """
    known = {column.key for column in table.columns}
    strange = [key for key in keys if key not in known]
    if strange:
        raise InvalidInput(_("The table has no column %(key)s.") % {"key": strange[0][:40]})
    chosen = [column.key for column in table.columns if column.key in keys or column.names_the_row]
    choice, _made = ColumnChoice.objects.update_or_create(
        user=user, table=table.name, defaults={"columns": chosen}
    )
    _record(user, "columns.chosen", choice, now)


@transaction.atomic
def forget_columns(*, user: User, table: Table[Any, Any], now: datetime) -> None:
    """The table as it was at first."""
    choice = ColumnChoice.objects.filter(user=user, table=table.name).first()
    if choice is not None:
        _record(user, "columns.forgotten", choice, now)
        choice.delete()


def _record(user: User, action: str, choice: ColumnChoice, now: datetime) -> None:
    """Of no organisation: only the exchange's own people read it."""
    data = {"table": choice.table, "columns": choice.columns}
    audit.record(actor=Actor(user=user), action=action, target=choice, now=now, data=data)
