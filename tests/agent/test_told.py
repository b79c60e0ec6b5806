"""What is told by the exchange and by Slurm, taken with care: names, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from marketplace.agent.deliveries import Delivery, NoDelivery
from marketplace.agent.slurm.commands import Commands
from marketplace.agent.slurm.objects import all_reservations, nodes_with

ROW: dict[str, Any] = {
    "id": 7,
    "site": 3,
    "buyer": 12,
    "state": "scheduled",
    "cards": 8,
    "model": "ascend-910b2",
    "starts_at": "2026-03-02T09:00:00Z",
    "ends_at": "2026-03-02T12:00:00Z",
    "active_from": None,
    "active_until": None,
    "state_since": None,
    "suspensions": [],
    "held": False,
    "retries_left": 2,
    "access_key": None,
    "access_given": False,
}


@dataclass(frozen=True, slots=True)
class Says(Commands):
    """A command that answers always the same."""

    answer: str = ""

    def __call__(self, *_command: str) -> str:
        return self.answer


@pytest.mark.parametrize("name", ["id", "site", "buyer", "cards"])
@pytest.mark.parametrize("value", ["7,normal", "7", 7.5, True, None])
def test_what_becomes_a_name_in_slurm_is_a_whole_number(name: str, value: object) -> None:
    assert Delivery.of(ROW).buyer == 12
    with pytest.raises(NoDelivery, match=f"whose {name} is"):
        Delivery.of(ROW | {name: value})


@pytest.mark.parametrize("accounts", ["physics", "ch-b12,physics", "(null)"])
def test_a_reservation_of_others_is_left_alone_whatever_its_name(accounts: str) -> None:
    line = (
        "ReservationName=ch-d7 StartTime=1772442000 EndTime=1772445600 Duration=01:00:00 Nodes=node1 "
        "NodeCnt=1 Features=(null) PartitionName=cards Flags=MAGNETIC Users=(null) Accounts={} State=ACTIVE\n"
    )
    assert list(all_reservations(Says(answer=line.format("ch-b12")))) == ["ch-d7"]
    assert all_reservations(Says(answer=line.format(accounts))) == {}


@pytest.mark.parametrize(
    ("state", "up"),
    [
        ("IDLE", True),
        ("MIXED+RESERVED", True),
        ("IDLE+DRAIN", False),
        ("MIXED+DRAIN", False),
        ("DOWN", False),
    ],
)
def test_a_node_that_begins_nothing_more_is_not_up(state: str, up: bool) -> None:
    line = f"NodeName=node1 State={state} CfgTRES=cpu=8,gres/gpu=8,gres/gpu:ascend910b=8\n"
    assert nodes_with(Says(answer=line), "gpu:ascend910b")["node1"].up is up
