"""How Slurm writes numbers. What cannot be read is ``Unreadable``, never a zero."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from marketplace.agent.errors import Unreadable

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50, "E": 2**60}
NO_MOMENT = {"", "Unknown", "None", "N/A", "0"}
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([KMGTPE]?)", re.IGNORECASE)
_DURATION = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})(?:\.\d+)?")


def count(text: str) -> Decimal:
    """A figure with or without a unit of 1,024s: ``8``, ``62.50G``, ``1P``."""
    found = _COUNT.fullmatch(text.strip())
    if found is None:
        raise Unreadable(f"“{text}” is no figure of Slurm's, such as 8 or 62.50G.")
    return Decimal(found[1]) * UNITS[found[2].upper()]


def duration(text: str) -> int:
    """Whole seconds: ``05:09``, ``01:00:00``, ``40-00:00:00``, ``2-03`` (days and hours), ``00:04.125``."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise Unreadable(f"“{text}” is no duration of Slurm's, such as 01:00:00 or 40-00:00:00.")
    parts = [int(part) for part in found["parts"].split(":")]
    if found["days"] is not None:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
        return int(found["days"]) * 86_400 + hours * 3_600 + minutes * 60 + seconds
    if len(parts) == 1:
        return parts[0] * 60
    hours, minutes, seconds = (0, *parts)[-3:]
    return hours * 3_600 + minutes * 60 + seconds


def moment(text: str) -> int | None:
    """Seconds since 1970, as Slurm writes them with ``SLURM_TIME_FORMAT=%s``; None where there is none."""
    word = text.strip()
    if word in NO_MOMENT:
        return None
    if not word.isdecimal():
        raise Unreadable(f"“{text}” is no moment in seconds since 1970.")
    return int(word)


def tres(text: str) -> Mapping[str, Decimal]:
    """Trackable resources by name: ``cpu=1,gres/gpu=2,gres/gpu:ascend910b=2,mem=62.50G``."""
    resources: dict[str, Decimal] = {}
    for part in filter(None, text.strip().split(",")):
        name, equals, figure = part.partition("=")
        if not equals:
            raise Unreadable(f"“{part}” in “{text}” is no resource with its figure.")
        resources[name] = count(figure)
    return resources


def cards(resources: Mapping[str, Decimal], gres: str) -> int:
    """How many cards of one type, such as ``gpu:ascend910b``, resources hold; over all nodes together.

    Cards of which the type is not said are ``Unreadable``: they may be any. Cards of another type are
    not these, so there are none.
    """
    kind = gres.partition(":")[0]
    exact = resources.get(f"gres/{gres}")
    if exact is None:
        some = resources.get(f"gres/{kind}", Decimal(0))
        others = sum(figure for name, figure in resources.items() if name.startswith(f"gres/{kind}:"))
        if some != others:
            raise Unreadable(
                f"Slurm accounts {some} cards without their type. "
                f"Add gres/{gres} to AccountingStorageTRES in slurm.conf."
            )
        return 0
    if exact != int(exact):
        raise Unreadable(f"Slurm accounts {exact} cards of {gres}; cards are whole.")
    return int(exact)
