"""Made-up values for the style guide."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.utils.translation import gettext_lazy as _

from marketplace.web.states import STATES

START = dt.datetime(2026, 3, 9, 6, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class SampleForm(forms.Form):
    """One field of every kind."""

    name = forms.CharField(label=_("Name"), help_text=_("As it should read on the agreement."))
    cards = forms.IntegerField(label=_("Cards"), min_value=1)
    limit = forms.DecimalField(label=_("Limit"), help_text=_("The most you pay for a card-hour."))
    workload = forms.ChoiceField(
        label=_("Workload"), choices=[("training", _("Training")), ("decode", _("Inference, decode"))]
    )
    start = forms.DateTimeField(
        label=_("Earliest start"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    notes = forms.CharField(label=_("Notes"), required=False, widget=forms.Textarea(attrs={"rows": 3}))
    zones = forms.MultipleChoiceField(
        label=_("Zones"),
        choices=[("north", _("North")), ("west", _("West")), ("east", _("East"))],
        widget=forms.CheckboxSelectMultiple,
    )
    fill = forms.ChoiceField(
        label=_("Fill"),
        choices=[("all", _("All or nothing")), ("some", _("At least some"))],
        widget=forms.RadioSelect,
    )
    agree = forms.BooleanField(label=_("I may sign for my organisation"))


def samples() -> dict[str, Any]:
    """The context of the style guide."""
    filled = SampleForm(
        {
            "name": "Fine-tuning, spring",
            "cards": "64",
            "limit": "12.50",
            "workload": "decode",
            "zones": ["north"],
            "fill": "all",
            "agree": "on",
            "start": "2026-03-09T08:00",
        },
        auto_id="filled_%s",
    )
    wrong = SampleForm({"name": "", "cards": "0", "limit": "12", "workload": "decode"}, auto_id="wrong_%s")
    return {
        "start": START,
        "end": START + 4 * HOUR,
        "tomorrow": START + 30 * HOUR,
        "amounts": _amounts(),
        "series": [Decimal(v) for v in (12, 14, 13, 17, 16, 19, 18, 22, 21, 24)],
        "series_with_gap": [Decimal(3), Decimal(5), None, None, Decimal(4), Decimal(9), Decimal(8)],
        "levels": {
            "installed": 8192,
            "offered": 5120,
            "sold": 3174,
            "allocated": 2900,
            "active": 2411,
            "cleared": 2600,
        },
        "slots": [_slot(hour) for hour in range(48)],
        "rows": [_trade(number) for number in range(1, 7)],
        "page": Paginator(range(1204), 25).page(2),
        "states": sorted(STATES),
        "form": SampleForm(auto_id="empty_%s"),
        "filled": filled,
        "wrong": wrong,
        "stages": _stages(),
        "changes": _changes(),
        "supply": [
            (Decimal(q), Decimal(p)) for q, p in ((1200, "6.2"), (800, "7.5"), (1500, "8.9"), (900, "14"))
        ],
        "demand": [
            (Decimal(q), Decimal(p)) for q, p in ((600, "16"), (1100, "12.4"), (900, "9.5"), (1400, "5"))
        ],
        "fleets": _fleets(),
        "tabs": [
            {"label": _("Terms"), "url": "#terms", "active": True},
            {"label": _("Deliveries"), "url": "#deliveries", "active": False, "count": 12},
            {"label": _("Charges"), "url": "#charges", "active": False, "count": 1048},
        ],
        "crumbs": [{"label": _("Agreements"), "url": "#"}, {"label": "A-2026-0412", "url": "#"}],
        "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    }


def _amounts() -> dict[str, Any]:
    return {
        "money": Decimal("1234.5678"),
        "large": Decimal("98765432.1"),
        "negative": Decimal("-81.5"),
        "price": Decimal("12.3456"),
        "clearing": Decimal("8.9"),
        "card_hours": Decimal(1904),
        "metered": Decimal("1903.98765"),
        "np": Decimal("12.345"),
        "share": Decimal("0.6236"),
        "tiny": Decimal("0.0001"),
        "rise": Decimal("0.042"),
        "fall": Decimal("-0.031"),
        "zero": Decimal(0),
        "energy": Decimal("18204.44"),
        "carbon": Decimal("412.3"),
        "trip": Decimal("23.4"),
        "span": dt.timedelta(hours=27, minutes=12),
        "unknown": None,
    }


def _slot(hour: int) -> dict[str, Any]:
    wave = abs(24 - hour % 48)
    return {
        "label": f"{hour}:00",
        "installed": 8192,
        "offered": 5600 - 40 * wave,
        "sold": 4700 - 90 * wave,
        "allocated": 4300 - 90 * wave,
        "active": 3900 - 110 * wave,
    }


def _trade(number: int) -> dict[str, Any]:
    states = ["matched", "open", "partly_matched", "unmatched", "withdrawn", "failed"]
    return {
        "name": f"R-{4100 + number}",
        "product": ["Ascend 910B", "H800", "MI300X"][number % 3],
        "cards": 2 ** (number + 2),
        "price": Decimal("6.25") + number,
        "amount": Decimal("6.25") * 2 ** (number + 4),
        "state": states[number - 1],
        "at": START + number * HOUR,
        "levels": {
            "installed": 512,
            "offered": 80 * number,
            "sold": 60 * number,
            "allocated": 50 * number,
            "active": 40 * number,
        },
        "series": [Decimal((number * step * 7) % 23) for step in range(1, 9)],
    }


def _stages() -> list[dict[str, Any]]:
    return [
        {"label": _("Offers on the market"), "kept": 1840, "removed": 0},
        {"label": _("Jurisdiction: CN only"), "kept": 1512, "removed": 328},
        {"label": _("Memory per card: at least 64 GB"), "kept": 610, "removed": 902},
        {
            "label": _("One fabric for 256 cards"),
            "kept": 41,
            "removed": 569,
            "note": _("The largest gang on offer in time has 192 cards."),
        },
        {
            "label": _("Limit: ¥9.00/card-h"),
            "kept": 0,
            "removed": 41,
            "binding": True,
            "note": _("The cheapest of these asks ¥9.40. At ¥9.40 you would have got all 256 cards."),
        },
    ]


def _changes() -> list[dict[str, Any]]:
    return [
        {"label": _("Cards"), "before": "128", "after": "192"},
        {"label": _("Price"), "before": "¥8.20/card-h", "after": "¥8.20/card-h"},
        {"label": _("Interruption notice"), "before": None, "after": "2 h"},
        {"label": _("Make-up right"), "before": "30 d", "after": None},
    ]


def _fleets() -> list[dict[str, Any]]:
    kinds = ("offered", "sold", "allocated", "active", "attention")
    rows = []
    for number, (name, note) in enumerate(
        [
            ("Guiyang 2, Ascend 910B", "512 cards"),
            ("Ulanqab 1, H800", "1,024 cards"),
            ("Zhongwei 4, MI300X", "64 cards"),
        ]
    ):
        cells = [
            {
                "start": START + (7 * number + 30 * step) * HOUR,
                "end": START + (7 * number + 30 * step + 22 + 4 * number) * HOUR,
                "kind": kinds[(number + step) % 5],
                "label": f"{name}: {kinds[(number + step) % 5]}",
                "url": "#" if step % 2 else "",
            }
            for step in range(6)
        ]
        rows.append({"label": name, "note": note, "url": "", "cells": cells})
    return rows
