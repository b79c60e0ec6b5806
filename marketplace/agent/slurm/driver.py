"""Slurm as a driver.

A buyer's organisation gets an account, a delivery a QOS of the same limit as was sold, and, where whole
nodes were sold, a reservation for its window. The QOS is made first and removed last, so whatever was
made is found by it.

The limit is on the cards of the sold type and on cards of any type: a job that asks for cards without
naming a type is measured by the second only.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from marketplace.agent.acceptance import acceptance_of, read_probe
from marketplace.agent.driver import Acceptance, Wanted
from marketplace.agent.slurm import accounting, objects
from marketplace.agent.slurm.commands import Commands
from marketplace.agent.slurm.objects import Node, account_of, delivery_of, qos_of
from marketplace.agent.slurm.settings import Cluster, Probe
from marketplace.agent.usage import Holding, Span, card_seconds

PROBE_WAITS = 30
"""Seconds for the test's own job to begin: the cards are free, or the test says that they are not."""

SACCT = ("sacct", "--allusers", "--allocations", "--duplicates", "--truncate", "--noheader", "--parsable2")


@dataclass(frozen=True, slots=True)
class SlurmDriver:
    cluster: Cluster
    run: Commands
    now: Callable[[], float] = time.time

    def present(self) -> frozenset[int]:
        return frozenset(pk for name in objects.all_qos(self.run) if (pk := delivery_of(name)) is not None)

    def provide(self, wanted: Wanted) -> None:
        users = self.cluster.users_of(wanted.buyer) if wanted.open else ()
        if self.cluster.probe is not None:
            users = (*users, self.cluster.probe.user)
        self._provide_qos(wanted)
        self._provide_account(wanted, users)
        self._reserve(wanted)

    def accept(self, wanted: Wanted) -> Acceptance:
        """What Slurm knows of the nodes: those of the reservation, or all that could run the buyer's jobs."""
        cards = self.cluster.cards(wanted.model)
        nodes = self._nodes_of(wanted)
        visible = sum(node.cards for node in nodes.values() if node.up)
        if not self._whole_nodes(wanted):
            visible = self._free(wanted, nodes)
        evidence = {"driver": "slurm", "gres": cards.gres, "nodes": sorted(nodes), "memory_gb": "configured"}
        if self.cluster.probe is not None and visible >= wanted.cards:
            probe = read_probe(self._probe(wanted, self.cluster.probe))
            return acceptance_of(probe, wanted, card_name=cards.card_name, evidence=evidence)
        return Acceptance(
            cards_visible=min(visible, wanted.cards),
            model=wanted.model,
            memory_gb=cards.memory_gb,
            passed=visible >= wanted.cards,
            evidence=evidence,
        )

    def _probe(self, wanted: Wanted, probe: Probe) -> str:
        """What the probe prints, as a job under the delivery's own limits: a task for each sold card,
        each with one card. So it sees these cards and no others."""
        cards = self.cluster.cards(wanted.model)
        return self.run(
            "srun",
            "--quiet",
            f"--job-name={qos_of(wanted.delivery)}-acceptance",
            f"--account={account_of(wanted.buyer)}",
            f"--qos={qos_of(wanted.delivery)}",
            f"--partition={cards.partition}",
            f"--ntasks={wanted.cards}",
            f"--gpus-per-task={cards.gres.partition(':')[2] or 'gpu'}:1",
            f"--immediate={PROBE_WAITS}",
            f"--time={-(-probe.seconds // 60)}",
            *probe.command,
            seconds=probe.seconds + PROBE_WAITS,
        )

    def visible(self, wanted: Wanted) -> int:
        visible = sum(node.cards for node in self._nodes_of(wanted).values() if node.there)
        return min(visible, wanted.cards)

    def access(self, wanted: Wanted) -> Mapping[str, str]:
        if not self.cluster.access:
            return {}
        return {
            "login": self.cluster.access,
            "users": ", ".join(self.cluster.users_of(wanted.buyer)),
            "account": account_of(wanted.buyer),
            "qos": qos_of(wanted.delivery),
        }

    def stop(self, delivery: int) -> bool:
        name = qos_of(delivery)
        if name not in objects.all_qos(self.run):
            return True
        objects.close_qos(self.run, name)
        self.run("scancel", f"--qos={name}")
        return not self.run("squeue", "--noheader", "--all", "--format=%i", f"--qos={name}").split()

    def remove(self, delivery: int) -> None:
        name = qos_of(delivery)
        if name in objects.all_reservations(self.run):
            objects.drop_reservation(self.run, name)
        self._disallow(name)
        if name in objects.all_qos(self.run):
            objects.remove_qos(self.run, name)

    def watch(self) -> None: ...

    def card_seconds(self, wanted: Wanted, span: Span) -> int:
        """What jobs held, and what was reserved, used or not; no second and no card of it twice.

        Slurm says of a suspended job how long it was suspended, and not when; asked about one span only,
        it says how long in that span.
        """
        name, gres = qos_of(wanted.delivery), self.cluster.cards(wanted.model).gres
        told = self.run(
            *SACCT,
            f"--qos={name}",
            f"--starttime={objects.written(span.since)}",
            f"--endtime={objects.written(span.until)}",
            f"--format={','.join(accounting.JOBS)}",
        )
        outside = [
            job.holding
            for job in accounting.jobs(told, gres=gres)
            if job.qos == name and job.reservation != name
        ]
        held = card_seconds([*outside, *self._kept(name, gres, span)], span)
        return min(held, wanted.cards * span.seconds)

    def _free(self, wanted: Wanted, nodes: dict[str, Node]) -> int:
        """Cards that no other job holds: nothing keeps parts of nodes free."""
        free = sum(node.cards - node.taken for node in nodes.values() if node.up)
        gres = self.cluster.cards(wanted.model).gres
        return free + objects.held_under(self.run, qos_of(wanted.delivery), gres)

    def _nodes_of(self, wanted: Wanted) -> dict[str, Node]:
        """Those that are reserved, or all that could run the buyer's jobs. None where whole nodes were sold
        and none is reserved."""
        nodes = objects.nodes_with(self.run, self.cluster.cards(wanted.model).gres)
        reserved = objects.all_reservations(self.run).get(qos_of(wanted.delivery))
        if reserved is not None:
            names = set(objects.hosts(self.run, reserved.hosts))
            return {name: node for name, node in nodes.items() if name in names}
        return {} if self._whole_nodes(wanted) else nodes

    def _provide_qos(self, wanted: Wanted) -> None:
        name, gres = qos_of(wanted.delivery), self.cluster.cards(wanted.model).gres
        kind = gres.partition(":")[0]
        limit = frozenset({f"gres/{gres}={wanted.cards}", f"gres/{kind}={wanted.cards}"})
        known = objects.all_qos(self.run).get(name)
        if known is None:
            objects.add_qos(self.run, name, limit)
        elif known.limit != limit or known.is_closed:
            objects.limit_qos(self.run, name, limit)

    def _provide_account(self, wanted: Wanted, users: tuple[str, ...]) -> None:
        """The account and each user may use the QOS of the buyer's deliveries and no other."""
        account, name = account_of(wanted.buyer), qos_of(wanted.delivery)
        if account not in objects.accounts(self.run):
            objects.add_account(self.run, account, frozenset({name}))
        there = {one.user: one for one in objects.associations(self.run) if one.account == account}
        if (ours := _with(there[""].qos, name)) != there[""].qos:
            objects.allow(self.run, account, ours)
        if new := [user for user in users if user not in there]:
            objects.add_users(self.run, account, new, frozenset({name}))
        wider: dict[frozenset[str], list[str]] = defaultdict(list)
        for user in users:
            if user in there and (ours := _with(there[user].qos, name)) != there[user].qos:
                wider[ours].append(user)
        for ours, others in wider.items():
            objects.allow_users(self.run, account, others, ours)

    def _reserve(self, wanted: Wanted) -> None:
        """Whole nodes only: Slurm reserves no part of a node's cards. The rest is bounded by the QOS."""
        name, nodes = qos_of(wanted.delivery), self._whole_nodes(wanted)
        if nodes == 0 or wanted.window.until <= self.now():
            return
        known = objects.all_reservations(self.run).get(name)
        if known is None:
            since = wanted.window.since if wanted.window.since > self.now() else None
            objects.reserve(
                self.run,
                name,
                account=account_of(wanted.buyer),
                partition=self.cluster.cards(wanted.model).partition,
                nodes=nodes,
                since=since,
                until=wanted.window.until,
            )
        elif (known.nodes, known.window.until) != (nodes, wanted.window.until):
            objects.change_reservation(self.run, name, nodes=nodes, until=wanted.window.until)

    def _whole_nodes(self, wanted: Wanted) -> int:
        sizes = {
            node.cards
            for node in objects.nodes_with(self.run, self.cluster.cards(wanted.model).gres).values()
        }
        return wanted.cards // sizes.pop() if len(sizes) == 1 else 0

    def _disallow(self, qos: str) -> None:
        """Take a QOS from whoever may use it, and the right to an account that has no other. Users first:
        Slurm keeps an account that has some. Only accounts that bear the mark."""
        made = objects.accounts(self.run)
        users: dict[tuple[str, frozenset[str]], list[str]] = defaultdict(list)
        accounts: dict[str, frozenset[str]] = {}
        for one in objects.associations(self.run):
            if qos in one.qos and one.account in made and one.user:
                users[one.account, one.qos - {qos}].append(one.user)
            elif qos in one.qos and one.account in made:
                accounts[one.account] = one.qos - {qos}
        for (account, left), names in users.items():
            if left:
                objects.allow_users(self.run, account, names, left)
            else:
                for user in names:
                    objects.remove_user(self.run, account, user)
        for account, left in accounts.items():
            if left:
                objects.allow(self.run, account, left)
            else:
                objects.remove_account(self.run, account)

    def _kept(self, name: str, gres: str, span: Span) -> list[Holding]:
        """What the delivery's reservations of whole nodes held, as the accounting remembers them."""
        times = (f"Start={objects.written(span.since)}", f"End={objects.written(span.until)}")
        told = self.run(
            *objects.SHOW,
            "reservation",
            f"Names={name}",
            *times,
            f"format={','.join(accounting.RESERVATIONS)}",
        )
        reserved = [one for one in accounting.reservations(told) if one.name == name]
        if not reserved:
            return []
        events = self.run(*objects.SHOW, "event", *times, f"format={','.join(accounting.EVENTS)}")
        out = accounting.outages(events)
        nodes = objects.nodes_with(self.run, gres)
        return [
            holding
            for one in reserved
            for host in objects.hosts(self.run, one.nodes)
            if host in nodes
            for holding in accounting.kept(one, host, nodes[host].cards, out, span)
        ]


def _with(qos: frozenset[str], name: str) -> frozenset[str]:
    """The agent's own among them, and one more."""
    return frozenset(one for one in qos if delivery_of(one) is not None) | {name}
