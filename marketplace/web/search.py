"""Finding things by number or name, everywhere at once; everybody finds what it may see.

Numbers are looked up as they are. Names are found by any part of them: trigram indexes serve the tables
that are large.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.actors import Viewer
from accounts.requests import id_in
from billing.invoicing.selectors import documents_for
from billing.tables import PAGE_OF
from marketplace.agreements.selectors import agreements_for
from marketplace.catalogue.models import AcceleratorModel
from marketplace.clearing.selectors import runs_for
from marketplace.demand.selectors import requests_for
from marketplace.supply.selectors import offers_for, sites_for
from marketplace.web import formats

SHOWN = 6
# Shorter parts of a name are in nearly every name.
SHORTEST_NAME = 2
LONGEST = 80
NUMBER = re.compile(r"([A-Za-z]?)\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Found:
    name: str
    note: str
    address: str


@dataclass(frozen=True, slots=True)
class Group:
    title: str | Promise
    found: Sequence[Found]


def find(viewer: Viewer, text: str) -> Sequence[Group]:
    """What the text is the number or a part of the name of, newest first, by what it is."""
    # The database takes no NUL, and no name has one.
    wanted = " ".join(text.replace("\0", " ").split())[:LONGEST]
    numbered = NUMBER.fullmatch(wanted)
    letter, number = (numbered[1].upper(), id_in(numbered[2])) if numbered else ("", None)
    groups = [
        Group(title, list(by_number(viewer, number)))
        for of, title, by_number in BY_NUMBER
        if number is not None and letter in {"", of}
    ]
    if len(wanted) >= SHORTEST_NAME and number is None:
        groups += [Group(title, list(by_name(viewer, wanted))) for title, by_name in BY_NAME]
    return [group for group in groups if group.found]


def _agreements(viewer: Viewer, number: int) -> Iterable[Found]:
    for each in agreements_for(viewer).filter(pk=number):
        note = f"{each.buyer} · {each.owner}"
        yield Found(str(each), note, reverse("agreements:agreement", args=[each.pk]))


def _requests(viewer: Viewer, number: int) -> Iterable[Found]:
    for each in requests_for(viewer).filter(pk=number):
        yield Found(str(each), each.title, reverse("demand:request", args=[each.pk]))


def _offers(viewer: Viewer, number: int) -> Iterable[Found]:
    for each in offers_for(viewer).filter(pk=number):
        note = f"{each.fleet.site} · {each.fleet.model}"
        yield Found(str(each), note, reverse("supply:offer", args=[each.pk]))


def _runs(viewer: Viewer, number: int) -> Iterable[Found]:
    for each in runs_for(viewer).filter(pk=number):
        yield Found(str(each), formats.moment(each.opened_at), reverse("clearing:run", args=[each.pk]))


def _documents(viewer: Viewer, text: str) -> Iterable[Found]:
    for each in documents_for(viewer).filter(number__startswith=text.upper())[:SHOWN]:
        page = PAGE_OF[each.Kind(each.kind)]
        yield Found(each.number, str(each.organisation), reverse(page, args=[each.number]))


def _sites(viewer: Viewer, text: str) -> Iterable[Found]:
    named = Q(name_en__icontains=text) | Q(name_zh__icontains=text)
    for each in sites_for(viewer).filter(named)[:SHOWN]:
        yield Found(str(each), str(each.owner), reverse("supply:site", args=[each.pk]))


def _requests_by_title(viewer: Viewer, text: str) -> Iterable[Found]:
    for each in requests_for(viewer).filter(title__icontains=text)[:SHOWN]:
        note = f"{each} · {each.organisation}"
        yield Found(each.title, note, reverse("demand:request", args=[each.pk]))


def _models(_viewer: Viewer, text: str) -> Iterable[Found]:
    """The catalogue is everybody's."""
    named = Q(name__icontains=text) | Q(vendor__icontains=text)
    for each in AcceleratorModel.objects.filter(named).order_by("vendor", "name")[:SHOWN]:
        yield Found(each.name, each.vendor, reverse("catalogue:model", args=[each.slug]))


BY_NUMBER: Sequence[tuple[str, Promise, Callable[[Viewer, int], Iterable[Found]]]] = (
    ("A", _("Agreements"), _agreements),
    ("R", _("Requests"), _requests),
    ("O", _("Offers"), _offers),
    ("M", _("Market runs"), _runs),
)
BY_NAME: Sequence[tuple[Promise, Callable[[Viewer, str], Iterable[Found]]]] = (
    (_("Documents"), _documents),
    (_("Sites"), _sites),
    (_("Requests"), _requests_by_title),
    (_("Accelerator models"), _models),
)
