"""What the agent makes in Slurm, read and written: accounts, QOS, associations and reservations.

Everything that it makes bears a mark. What has the same name and no mark is somebody else's, and is left
alone. A reservation bears none: it is the agent's where it is for an account of the agent's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from marketplace.agent.errors import SiteProblem
from marketplace.agent.slurm.accounting import rows
from marketplace.agent.slurm.commands import Commands
from marketplace.agent.slurm.formats import moment
from marketplace.agent.usage import Span

MARK = "cardhour"
_DELIVERY = re.compile(r"ch-d([1-9][0-9]*)")
_ACCOUNT = re.compile(r"ch-b[1-9][0-9]*")
QOS = ("Name", "Description", "GrpTRES", "GrpSubmitJobs")
ACCOUNT = ("Account", "Organization")
ASSOCIATION = ("Account", "User", "QOS", "DefaultQOS")
SHOW = ("sacctmgr", "--noheader", "--parsable2", "show")
CHANGE = ("sacctmgr", "--immediate", "--quiet")


def qos_of(delivery: int) -> str:
    """The QOS of a delivery, and its reservation, bear this name."""
    return f"ch-d{delivery}"


def account_of(buyer: int) -> str:
    return f"ch-b{buyer}"


def delivery_of(qos: str) -> int | None:
    found = _DELIVERY.fullmatch(qos)
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Qos:
    """``is_closed``: nothing more is submitted under it."""

    name: str
    limit: frozenset[str]
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Association:
    """Who may use an account, and under which QOS. The account's own has no user."""

    account: str
    user: str
    qos: frozenset[str]
    default: str


@dataclass(frozen=True, slots=True)
class Reservation:
    name: str
    window: Span
    nodes: int
    hosts: str


@dataclass(frozen=True, slots=True)
class Node:
    """``taken`` of its cards are held by jobs. One that is ``there`` goes on with what it runs; one that is
    ``up`` begins something new as well."""

    name: str
    cards: int
    taken: int
    there: bool
    up: bool


def all_qos(run: Commands) -> dict[str, Qos]:
    """Those of the agent's by name; ``SiteProblem`` where another's has a name of the agent's."""
    found = {}
    for row in rows(run(*SHOW, "qos", f"format={','.join(QOS)}"), QOS):
        if delivery_of(row["Name"]) is None:
            continue
        if row["Description"] != MARK:
            raise SiteProblem(
                f"The QOS {row['Name']} was not made by the agent, and it needs that name: rename it."
            )
        limit = frozenset(filter(None, row["GrpTRES"].split(",")))
        found[row["Name"]] = Qos(row["Name"], limit, is_closed=row["GrpSubmitJobs"] == "0")
    return found


def add_qos(run: Commands, name: str, limit: Iterable[str]) -> None:
    grp_tres = f"GrpTRES={','.join(sorted(limit))}"
    run(*CHANGE, "add", "qos", name, "set", f"Description={MARK}", "Flags=DenyOnLimit", grp_tres)


def limit_qos(run: Commands, name: str, limit: Iterable[str]) -> None:
    run(*CHANGE, "modify", "qos", name, "set", f"GrpTRES={','.join(sorted(limit))}", "GrpSubmitJobs=-1")


def close_qos(run: Commands, name: str) -> None:
    """Nothing more is submitted under it."""
    run(*CHANGE, "modify", "qos", name, "set", "GrpSubmitJobs=0")


def accounts(run: Commands) -> frozenset[str]:
    """Those of the agent's; ``SiteProblem`` where another's has a name of the agent's."""
    named = [
        row
        for row in rows(run(*SHOW, "account", f"format={','.join(ACCOUNT)}"), ACCOUNT)
        if _ACCOUNT.fullmatch(row["Account"])
    ]
    if others := [row["Account"] for row in named if row["Organization"] != MARK]:
        raise SiteProblem(
            f"The account {others[0]} was not made by the agent, and it needs that name: rename it."
        )
    return frozenset(row["Account"] for row in named)


def associations(run: Commands) -> list[Association]:
    """Those of accounts with a name of the agent's, each account's own first."""
    found = [
        Association(
            row["Account"], row["User"], frozenset(filter(None, row["QOS"].split(","))), row["DefaultQOS"]
        )
        for row in rows(run(*SHOW, "association", f"format={','.join(ASSOCIATION)}"), ASSOCIATION)
        if _ACCOUNT.fullmatch(row["Account"])
    ]
    return sorted(found, key=lambda one: (one.account, one.user))


def allow(run: Commands, account: str, qos: frozenset[str]) -> None:
    """What an account's own jobs may use, all of it."""
    run(*CHANGE, "modify", "account", account, "set", f"QOS={','.join(by_age(qos))}")


def allow_users(run: Commands, account: str, users: Iterable[str], qos: frozenset[str]) -> None:
    """What users of an account may use, all of it; the oldest is what a job gets unasked."""
    whom = ("user", "where", f"name={','.join(users)}", f"account={account}")
    run(*CHANGE, "modify", *whom, "set", *_allowed(qos))


def add_account(run: Commands, account: str, qos: frozenset[str]) -> None:
    marks = (f"Organization={MARK}", f"Description={MARK}")
    run(*CHANGE, "add", "account", account, *marks, f"QOS={','.join(by_age(qos))}")


def add_users(run: Commands, account: str, users: Iterable[str], qos: frozenset[str]) -> None:
    run(*CHANGE, "add", "user", ",".join(users), f"account={account}", *_allowed(qos))


def remove_account(run: Commands, account: str) -> None:
    """Slurm refuses while a job of it runs, or while it is a user's default."""
    run(*CHANGE, "delete", "account", account)


def remove_user(run: Commands, account: str, user: str) -> None:
    """From this account; what else the user may do stays. One at a time: of several, Slurm refuses all where
    one has another account and another one has not."""
    run(*CHANGE, "delete", "user", f"name={user}", f"account={account}")


def _allowed(qos: frozenset[str]) -> tuple[str, str]:
    names = by_age(qos)
    return f"QOS={','.join(names)}", f"DefaultQOS={names[0]}"


def remove_qos(run: Commands, name: str) -> None:
    run(*CHANGE, "delete", "qos", name)


def by_age(qos: Iterable[str]) -> list[str]:
    return sorted(qos, key=lambda name: (delivery_of(name) or 0, name))


def all_reservations(run: Commands) -> dict[str, Reservation]:
    """Those of the agent's, by name."""
    found = {}
    for line in run("scontrol", "--oneliner", "show", "reservation").splitlines():
        fields = facts(line)
        name = fields.get("ReservationName", "")
        if delivery_of(name) is not None and _ACCOUNT.fullmatch(fields.get("Accounts", "")):
            window = Span(moment(fields["StartTime"]) or 0, moment(fields["EndTime"]) or 0)
            found[name] = Reservation(name, window, int(fields["NodeCnt"]), fields["Nodes"])
    return found


def reserve(
    run: Commands, name: str, *, account: str, partition: str, nodes: int, since: int | None, until: int
) -> None:
    """Whole nodes, for one account, whose jobs go there without asking for it; at once without ``since``."""
    run(
        "scontrol",
        "create",
        "reservation",
        f"ReservationName={name}",
        f"StartTime={'now' if since is None else written(since)}",
        f"EndTime={written(until)}",
        f"NodeCnt={nodes}",
        f"PartitionName={partition}",
        f"Accounts={account}",
        "Flags=MAGNETIC",
    )


def change_reservation(run: Commands, name: str, *, nodes: int, until: int) -> None:
    end = f"EndTime={written(until)}"
    run("scontrol", "update", f"ReservationName={name}", f"NodeCnt={nodes}", end)


def drop_reservation(run: Commands, name: str) -> None:
    run("scontrol", "delete", f"ReservationName={name}")


def nodes_with(run: Commands, gres: str) -> dict[str, Node]:
    """The nodes that have cards of one type."""
    found = {}
    for line in run("scontrol", "--oneliner", "show", "node").splitlines():
        fields = facts(line)
        cards = _counted(fields.get("CfgTRES", ""), gres)
        if cards:
            name, state = fields["NodeName"], fields["State"]
            there = not state.startswith(("DOWN", "FAIL", "UNKNOWN", "FUTURE"))
            taken = _counted(fields.get("AllocTRES", ""), gres)
            found[name] = Node(name, cards, taken, there, there and "DRAIN" not in state)
    return found


def held_under(run: Commands, qos: str, gres: str) -> int:
    """Cards of one type that running jobs of a QOS hold."""
    told = run("squeue", "--noheader", "--all", "--states=R", f"--qos={qos}", "--Format=tres-alloc:500")
    return sum(_counted(line.strip(), gres) for line in told.splitlines())


def hosts(run: Commands, short: str) -> list[str]:
    """Slurm's short list of hosts, such as ``n[1-3]``, at length."""
    return run("scontrol", "show", "hostnames", short).split() if short else []


def _counted(resources: str, gres: str) -> int:
    wanted = f"gres/{gres}="
    return sum(int(part.removeprefix(wanted)) for part in resources.split(",") if part.startswith(wanted))


def facts(line: str) -> dict[str, str]:
    """``Name=value`` words of ``scontrol --oneliner``."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def written(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
