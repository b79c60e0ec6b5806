"""What Slurm's accounting says about allocations, read row by row.

What is billed is what was allocated, not what was asked for. An allocation's figures are those of all of
its nodes together, so they are never multiplied by nodes, and its steps run inside of it, so they are
passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from marketplace.agent.errors import Unreadable
from marketplace.agent.slurm.formats import cards, duration, moment, tres
from marketplace.agent.usage import Holding, Span, without

JOBS = ("JobIDRaw", "State", "Start", "End", "Suspended", "AllocTRES", "QOS", "Reservation")
RESERVATIONS = ("Name", "Start", "End", "NodeNames")
EVENTS = ("NodeName", "Start", "End", "State")
HOSTS_OUT = ("DOWN", "FAIL")


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one job. A job that was requeued has a row for each run of it, and so has one that was
    resized for each of its sizes."""

    job: str
    state: str
    qos: str
    reservation: str
    holding: Holding


@dataclass(frozen=True, slots=True)
class Reserved:
    """Nodes that were kept for one account, in Slurm's own short list of hosts."""

    name: str
    nodes: str
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which a node was not there."""

    node: str
    since: int
    until: int | None


def jobs(text: str, *, gres: str) -> list[Job]:
    """Runs that began, of ``sacct --parsable2 --noheader --duplicates`` with the columns ``JOBS``."""
    return [job for row in rows(text, JOBS) if (job := _job(row, gres)) is not None]


def _job(row: dict[str, str], gres: str) -> Job | None:
    since = moment(row["Start"])
    if "." in row["JobIDRaw"] or since is None:
        return None
    try:
        held = cards(tres(row["AllocTRES"]), gres)
        paused = duration(row["Suspended"] or "00:00:00")
    except Unreadable as problem:
        raise Unreadable(f"Job {row['JobIDRaw']}: {problem}") from problem
    holding = Holding(held, since, moment(row["End"]), paused)
    return Job(row["JobIDRaw"], row["State"], row["QOS"], row["Reservation"], holding)


def reservations(text: str) -> list[Reserved]:
    """Of ``sacctmgr show reservation`` with the columns ``RESERVATIONS``."""
    found = []
    for row in rows(text, RESERVATIONS):
        since = moment(row["Start"])
        if since is None:
            raise Unreadable(f"Reservation {row['Name']} has no beginning.")
        found.append(Reserved(row["Name"], row["NodeNames"], since, moment(row["End"])))
    return found


def outages(text: str) -> list[Outage]:
    """Of ``sacctmgr show event`` with the columns ``EVENTS``: those in which a node ran nothing.

    A node that drains goes on with what it runs, so that is not among them.
    """
    return [
        Outage(row["NodeName"], since, moment(row["End"]))
        for row in rows(text, EVENTS)
        if row["NodeName"]
        and row["State"].startswith(HOSTS_OUT)
        and (since := moment(row["Start"])) is not None
    ]


def kept(reserved: Reserved, node: str, cards_of_node: int, out: list[Outage], span: Span) -> list[Holding]:
    """What the reservation of one node held in a span: its cards, except while the node was not there."""
    until = span.until if reserved.until is None else reserved.until
    gaps = [
        Span(one.since, span.until if one.until is None else one.until) for one in out if one.node == node
    ]
    held = without(Span(reserved.since, until).common(span), gaps)
    return [Holding(cards_of_node, part.since, part.until) for part in held]


def rows(text: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Rows of ``--parsable2`` by column; ``Unreadable`` where one has more or fewer."""
    for line in text.splitlines():
        if not line:
            continue
        fields = line.split("|")
        if len(fields) != len(columns):
            raise Unreadable(f"“{line}” has {len(fields)} columns, not {len(columns)}.")
        yield dict(zip(columns, fields, strict=True))
