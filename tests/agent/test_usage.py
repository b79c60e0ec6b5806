"""Card-seconds from Slurm's accounting, against counting them second by second."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.agent.errors import Unreadable
from marketplace.agent.slurm import accounting
from marketplace.agent.slurm.accounting import Outage, Reserved, kept
from marketplace.agent.usage import Holding, Span, card_seconds, cells, without

GRES = "gpu:ascend910b"
MONTH_END = 1_772_323_200
"""2026-03-01T00:00:00Z: the end of an hour, of a day and of a month."""


@dataclass(frozen=True)
class Truth:
    """One run of a job as it really was: when, on how many cards, and when it was suspended."""

    cards: int
    since: int | None
    until: int | None
    state: str = "COMPLETED"
    suspended: list[Span] = field(default_factory=list)
    steps: int = 1

    def holds(self, second: int) -> bool:
        if self.since is None or not self.since <= second:
            return False
        if self.until is not None and second >= self.until:
            return False
        return not any(pause.since <= second < pause.until for pause in self.suspended)


def row(job: str, truth: Truth, span: Span) -> str:
    """What ``sacct --truncate`` says of it when it is asked about a span."""
    end = "Unknown" if truth.until is None else str(truth.until)
    run = Span(truth.since or 0, span.until if truth.until is None else truth.until).common(span)
    paused = sum(pause.common(run).seconds for pause in truth.suspended)
    clock = f"{paused // 3600:02}:{paused % 3600 // 60:02}:{paused % 60:02}"
    start = "Unknown" if truth.since is None else str(truth.since)
    resources = f"billing=4,cpu=4,gres/{GRES}={truth.cards},gres/gpu={truth.cards},mem=62.50G,node=2"
    return f"{job}|{truth.state}|{start}|{end}|{clock}|{resources if truth.since else ''}|ch-d7|"


def told(truths: list[Truth], span: Span) -> str:
    lines = []
    for number, truth in enumerate(truths):
        lines.append(row(str(number), truth, span))
        lines += [row(f"{number}.{step}", truth, span) for step in ["batch", *range(truth.steps)]]
    return "\n".join(lines)


def metered(truths: list[Truth], span: Span) -> list[int]:
    """As the agent does it: cell by cell."""
    quantities = []
    for cell in cells(span):
        found = accounting.jobs(told(truths, cell), gres=GRES)
        quantities.append(card_seconds([job.holding for job in found], cell))
    return quantities


def counted(truths: list[Truth], span: Span) -> list[int]:
    """The slow way: looks at every second."""
    by_hour: dict[int, int] = {}
    for second in range(span.since, span.until):
        hour = second // 3600
        by_hour.setdefault(hour, 0)
        by_hour[hour] += sum(truth.cards for truth in truths if truth.holds(second))
    return list(by_hour.values())


moments = st.integers(MONTH_END - 5_000, MONTH_END + 5_000)


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    since = draw(st.none() | moments)
    if since is None:
        return Truth(draw(st.integers(1, 64)), None, None, state="PENDING")
    until = draw(st.none() | st.integers(since - 400, since + 8_000))
    state = "RUNNING"
    if until is not None:
        state = draw(
            st.sampled_from(["COMPLETED", "REQUEUED", "PREEMPTED", "CANCELLED by 0", "NODE_FAIL", "RESIZING"])
        )
    cuts = sorted(draw(st.sets(st.integers(since, since + 8_000), max_size=4)))
    pauses = [Span(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    return Truth(draw(st.integers(1, 64)), since, until, state, pauses, draw(st.integers(0, 3)))


@given(st.lists(truths(), max_size=6), moments, st.integers(1, 8_000))
def test_every_second_is_counted_once_and_in_its_own_hour(jobs: list[Truth], since: int, length: int) -> None:
    span = Span(since, since + length)
    assert metered(jobs, span) == counted(jobs, span)


@given(st.lists(truths(), max_size=4), st.lists(moments, min_size=2, max_size=6, unique=True))
def test_however_often_it_is_asked_nothing_is_lost_where_one_poll_ends(
    jobs: list[Truth], polls: list[int]
) -> None:
    borders = sorted(polls)
    parts = [Span(a, b) for a, b in pairwise(borders)]
    whole = Span(borders[0], borders[-1])
    assert sum(sum(metered(jobs, part)) for part in parts) == sum(metered(jobs, whole))


def test_a_job_over_the_end_of_a_month_is_split_there() -> None:
    job = Truth(8, MONTH_END - 10, MONTH_END + 30)
    assert metered([job], Span(MONTH_END - 3600, MONTH_END + 3600)) == [80, 240]


def test_cards_are_of_all_nodes_and_not_multiplied_by_them() -> None:
    assert metered([Truth(16, MONTH_END, MONTH_END + 100)], Span(MONTH_END, MONTH_END + 3600)) == [1600]


def test_what_was_asked_for_and_not_given_is_not_counted() -> None:
    """A row has the allocated resources only; a job that waits has none."""
    waiting = (
        f"9|PENDING|Unknown|Unknown|00:00:00||ch-d7|\n10|CANCELLED by 0|None|{MONTH_END}|00:00:00||ch-d7|"
    )
    assert accounting.jobs(waiting, gres=GRES) == []


def test_a_clock_that_was_set_back_makes_no_negative_usage() -> None:
    assert metered([Truth(8, MONTH_END + 300, MONTH_END)], Span(MONTH_END, MONTH_END + 3600)) == [0]


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ("cpu=1,gres/gpu=2,node=1", "2 cards without their type"),
        ("cpu=1,gres/gpu=3,gres/gpu:h800=1", "3 cards without their type"),
        ("cpu=1,gres/gpu:ascend910b=1.5", "cards are whole"),
        ("cpu", "no resource with its figure"),
        ("cpu=many", "no figure of Slurm's"),
    ],
)
def test_what_cannot_be_read_is_named_and_is_no_zero(resources: str, problem: str) -> None:
    line = f"12|RUNNING|{MONTH_END}|Unknown|00:00:00|{resources}|ch-d7|"
    with pytest.raises(Unreadable, match=f"Job 12: .*{problem}"):
        accounting.jobs(line, gres=GRES)


def test_cards_of_another_type_are_not_those_that_were_sold() -> None:
    line = f"12|RUNNING|{MONTH_END}|Unknown|00:00:00|gres/gpu=4,gres/gpu:h800=4|ch-d7|"
    assert accounting.jobs(line, gres=GRES)[0].holding.cards == 0


def test_a_row_of_another_shape_is_refused() -> None:
    with pytest.raises(Unreadable, match="has 2 columns, not 8"):
        accounting.jobs("1|RUNNING", gres=GRES)


def test_a_reserved_node_counts_while_it_is_there_used_or_not() -> None:
    span = Span(MONTH_END, MONTH_END + 3600)
    reserved = Reserved("ch-d7", "n1", MONTH_END - 60, None)
    out = [
        Outage("n1", MONTH_END + 100, MONTH_END + 160),
        Outage("n2", MONTH_END, None),
        Outage("n1", MONTH_END + 3500, None),
    ]
    assert card_seconds(kept(reserved, "n1", 8, out, span), span) == 8 * (3600 - 60 - 100)


@given(moments, st.integers(1, 500), st.lists(st.tuples(moments, st.integers(0, 2_000)), max_size=5))
def test_gaps_are_taken_out_once(since: int, length: int, gaps: list[tuple[int, int]]) -> None:
    span, out = Span(since, since + length), [Span(at, at + long) for at, long in gaps]
    seconds = {s for s in range(span.since, span.until) if not any(g.since <= s < g.until for g in out)}
    left = without(span, out)
    assert {s for part in left for s in range(part.since, part.until)} == seconds
    assert sum(part.seconds for part in left) == len(seconds)


def test_a_holding_that_lasts_is_counted_to_the_end_of_the_span() -> None:
    assert Holding(2, MONTH_END, None).card_seconds(Span(MONTH_END - 5, MONTH_END + 5)) == 10


def test_the_slurmdbd_of_a_cluster_names_no_node_in_its_own_events() -> None:
    text = """|1795365589|Unknown|
vm|1795365589|1795365590|UNK
vm|1795365979|1795365981|DOWN
vm|1795366010|Unknown|DOWN*
"""
    assert accounting.outages(text) == [
        Outage("vm", 1795365979, 1795365981),
        Outage("vm", 1795366010, None),
    ]
    assert accounting.reservations("ch-d9|1795365977|1795365986|vm") == [
        Reserved("ch-d9", "vm", 1795365977, 1795365986)
    ]
