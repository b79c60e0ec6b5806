"""The Slurm driver against a real cluster: limits hold, usage is exact, nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from marketplace.agent.driver import Wanted
from marketplace.agent.errors import SiteProblem
from marketplace.agent.slurm.commands import CommandFailed, Commands
from marketplace.agent.slurm.driver import SlurmDriver
from marketplace.agent.slurm.settings import Cards, Cluster, Probe
from marketplace.agent.usage import Span, cells
from tests.agent.contract import DriverContract, Killed
from tests.slurm.cluster import GRES, Slurm, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(120)]


@dataclass
class Dying:
    """Slurm's commands, of an agent that is killed when so many of them have changed something."""

    run: Commands
    left: int

    def __call__(self, *command: str, **options: int) -> str:
        told = self.run(*command, **options)
        if (
            "--immediate" in command
            or command[0] == "scancel"
            or command[1] in {"create", "update", "delete"}
        ):
            self.left -= 1
            if self.left == 0:
                raise Killed
        return told


@dataclass
class SlurmSite:
    slurm: Slurm
    driver: SlurmDriver
    now: int

    def snapshot(self) -> object:
        return [
            self.slurm.sacctmgr(
                "show qos format=name,description,grptres,flags,grpsubmit",
                "show account format=account,organization,description",
                "show user format=user,defaultaccount,admin",
                "show association format=cluster,account,user,qos,defaultqos,grptres",
            ),
            [one.split("Duration")[0].split("StartTime")[0] for one in self.reservations()],
        ]

    def reservations(self) -> list[str]:
        lines = self.slurm.run("scontrol", "--oneliner", "show", "reservation").splitlines()
        return [line for line in lines if line.startswith("ReservationName")]

    @contextmanager
    def dying_after(self, changes: int) -> Iterator[None]:
        alive, self.driver = self.driver, replace(self.driver, run=Dying(self.slurm.run, changes))  # type: ignore[arg-type]
        yield
        self.driver = alive

    def people(self, wanted: Wanted) -> None: ...

    def people_end(self, wanted: Wanted) -> None: ...


@pytest.fixture
def site(slurm: Slurm) -> SlurmSite:
    cards = Cards(gres=GRES, partition="main", memory_gb="64")
    driver = SlurmDriver(Cluster({"ascend-910b": cards}, {12: ("nobody", "games")}), slurm.run)
    return SlurmSite(slurm, driver, int(time.time()))


class TestSlurm(DriverContract):
    def test_the_buyer_gets_the_sold_cards_and_no_more(self, site: SlurmSite, other: Wanted) -> None:
        self.provide(site, other)
        submit, slurm = site.slurm.submit, site.slurm
        first = submit("nobody", f"--gres={GRES}:2", script="sleep 60")
        slurm.until(first, "RUNNING")
        for asked in (f"--gres={GRES}:3", "--gres=gpu:3"):
            with pytest.raises(CommandFailed, match=r"QOSGrpGRES|job submit limit"):
                submit("nobody", asked, script="true")
        # Neither another card of the type, nor one without a type, nor another user of the buyer.
        waiting = [
            submit("nobody", f"--gres={GRES}:1", script="true"),
            submit("nobody", "--gres=gpu:1", script="true"),
            submit("games", "--gres=gpu:1", script="true"),
        ]
        time.sleep(2)
        assert [slurm.state(job) for job in waiting] == ["PENDING"] * 3
        slurm.run("scancel", str(first))
        for job in waiting:
            slurm.until(job, "COMPLETED")

    def test_the_acceptance_test_runs_on_the_sold_cards_before_the_buyer_may(
        self, site: SlurmSite, other: Wanted, wanted: Wanted, tmp_path: Path
    ) -> None:
        """A task a card: each is given one, of the type that was sold. Whole nodes and parts of one."""
        script = tmp_path / "probe"
        card = '{"name": "Ascend 910B on \'$SLURMD_NODENAME task $SLURM_PROCID\'", "memory_gb": 64}'
        line = (
            f'{{"format": "cardhour-probe/1", "precision": "bf16", "compute_tflops": 250, "cards": [{card}]}}'
        )
        script.write_text(f"#!/bin/sh\necho '{line}'\n")
        script.chmod(0o755)
        tmp_path.chmod(0o755)
        probe = Probe((str(script),), "root", 60)
        cards = Cards(gres=GRES, partition="main", memory_gb="32", card_name="Ascend 910B")
        cluster = Cluster({"ascend-910b": cards}, {12: ("nobody",)}, probe)
        driver = SlurmDriver(cluster, site.slurm.run)
        empty = site.snapshot()
        for one in (wanted, other):
            driver.provide(replace(one, open=False))
            with pytest.raises(CommandFailed):
                site.slurm.submit("nobody", "--account=ch-b12", "--gres=gpu:1", script="true")
            wait_until("the nodes are there", lambda one=one: driver.visible(one) == one.cards)
            seen = driver.accept(one)
            assert (seen.passed, seen.cards_visible, seen.memory_gb) == (True, one.cards, "64")
            assert seen.probe["compute_tflops"] == "250"
        assert len(seen.evidence["cards"]) == other.cards
        driver.provide(other)
        mine = site.slurm.submit("nobody", "--account=ch-b12", f"--gres={GRES}:2", script="sleep 30")
        site.slurm.until(mine, "RUNNING")
        # What the buyer runs is no reason to fail; what somebody else runs is.
        quick = SlurmDriver(replace(cluster, probe=None), site.slurm.run)
        assert quick.accept(other).passed
        site.slurm.run("scancel", str(mine))
        for one in (wanted, other):
            wait_until("nothing of it runs", lambda one=one: driver.stop(one.delivery))
            driver.remove(one.delivery)
        assert site.snapshot() == empty

    def test_cards_that_others_hold_are_not_there(self, site: SlurmSite, other: Wanted) -> None:
        self.provide(site, other)
        jobs = [site.slurm.submit("root", f"--gres={GRES}:8", script="sleep 60") for _ in range(2)]
        for job in jobs:
            site.slurm.until(job, "RUNNING")
        assert (site.driver.accept(other).passed, site.driver.visible(other)) == (False, 2)
        site.slurm.run("scancel", *map(str, jobs))

    def test_nobody_else_and_no_other_qos(self, site: SlurmSite, other: Wanted) -> None:
        self.provide(site, other)
        with pytest.raises(CommandFailed, match=r"Invalid (account|qos)"):
            site.slurm.submit("www-data", "--account=ch-b12", "--gres=gpu:1", script="true")
        with pytest.raises(CommandFailed, match="Invalid qos"):
            site.slurm.submit("nobody", "--qos=normal", "--gres=gpu:1", script="true")

    def test_usage_is_what_slurm_accounted_to_the_second(self, site: SlurmSite, other: Wanted) -> None:
        """A job that was suspended, one that was requeued, one that was cancelled, and one on two nodes."""
        self.provide(site, other)
        slurm, began = site.slurm, int(time.time())
        one = slurm.submit("nobody", f"--gres={GRES}:1", script="sleep 5")
        two = slurm.submit("games", "--gres=gpu:1", script="sleep 30")
        slurm.until(one, "RUNNING")
        slurm.until(two, "RUNNING")
        slurm.run("scontrol", "suspend", str(one))
        time.sleep(2.5)
        between = int(time.time())
        slurm.run("scontrol", "resume", str(one))
        slurm.run("scancel", str(two))
        slurm.until(one, "COMPLETED")
        both = slurm.submit("nobody", "--nodes=2", "--ntasks=2", f"--gres={GRES}:1", script="srun sleep 3")
        slurm.until(both, "COMPLETED")
        accounted = sum(
            elapsed * cards for job in (one, two, both) for elapsed, cards, _ in slurm.accounted(job)
        )
        assert [cards for _, cards, _ in slurm.accounted(both)] == [2]
        span = Span(began, int(time.time()) + 1)
        assert sum(site.driver.card_seconds(other, cell) for cell in cells(span)) == accounted > 10
        # The same, asked in two parts that meet while a job is suspended.
        parts = (Span(span.since, between - 1), Span(between - 1, span.until))
        assert sum(site.driver.card_seconds(other, part) for part in parts) == accounted

    def test_each_run_of_a_requeued_job_counts(self, site: SlurmSite, other: Wanted) -> None:
        self.provide(site, other)
        slurm, began = site.slurm, int(time.time())
        job = slurm.submit("nobody", f"--gres={GRES}:2", script="sleep 60")
        slurm.until(job, "RUNNING")
        time.sleep(1.5)
        slurm.run("scontrol", "requeue", str(job))
        slurm.until(job, "PENDING")
        slurm.run("scancel", str(job))
        span = Span(began, int(time.time()) + 1)
        elapsed = [seconds for seconds, cards, _ in slurm.accounted(job) if cards]
        assert elapsed
        assert site.driver.card_seconds(other, span) == 2 * sum(elapsed)

    def test_a_running_job_counts_to_the_end_of_the_span_and_survives_its_controller(
        self, site: SlurmSite, other: Wanted
    ) -> None:
        self.provide(site, other)
        slurm, began = site.slurm, int(time.time())
        job = slurm.submit("nobody", f"--gres={GRES}:2", script="sleep 6")
        slurm.until(job, "RUNNING")
        slurm.restart_controller()
        slurm.until(job, "COMPLETED")
        [(elapsed, cards, end)] = slurm.accounted(job)
        assert cards == 2
        assert site.driver.card_seconds(other, Span(began, end + 1)) == 2 * elapsed
        assert site.driver.card_seconds(other, Span(end - 2, end - 1)) == 2

    def test_whole_nodes_are_kept_for_the_buyer_and_count_used_or_not(
        self, site: SlurmSite, wanted: Wanted
    ) -> None:
        self.provide(site, wanted)
        slurm = site.slurm
        [reservation] = site.reservations()
        assert "NodeCnt=1" in reservation
        assert "Accounts=ch-b12" in reservation
        wait_until("it is reserved", lambda: "State=ACTIVE" in site.reservations()[0])
        mine = slurm.submit("nobody", f"--gres={GRES}:8", script="sleep 2")
        slurm.until(mine, "RUNNING", "COMPLETED")
        # The owner's own jobs get the other node only.
        jobs = [slurm.submit("root", f"--gres={GRES}:8", script="sleep 2") for _ in range(2)]
        slurm.until(mine, "COMPLETED")
        for job in jobs:
            slurm.until(job, "COMPLETED")
        told = slurm.run("sacct", "-X", "-n", "-P", "-j", f"{mine},{jobs[0]},{jobs[1]}", "-o", "NodeList")
        kept, *others = told.split()
        assert kept not in others
        began = int(time.time()) - 4
        assert site.driver.card_seconds(wanted, Span(began, began + 3)) == 8 * 3

    def test_a_node_that_was_down_was_not_there(self, site: SlurmSite, wanted: Wanted) -> None:
        """Both are down: where there is another one, Slurm reserves that instead."""
        self.provide(site, wanted)
        slurm = site.slurm
        time.sleep(2)
        slurm.run("scontrol", "update", "NodeName=node[1-2]", "State=DOWN", "Reason=test")
        down = int(time.time())
        time.sleep(3)
        assert not site.driver.accept(wanted).passed
        slurm.run("scontrol", "update", "NodeName=node[1-2]", "State=RESUME")
        assert site.driver.card_seconds(wanted, Span(down + 1, down + 2)) == 0
        assert site.driver.card_seconds(wanted, Span(down - 1, down)) == 8

    def test_the_end_ends_jobs_and_lets_none_begin(self, site: SlurmSite, other: Wanted) -> None:
        self.provide(site, other)
        slurm = site.slurm
        job = slurm.submit("nobody", f"--gres={GRES}:2", script="sleep 60")
        slurm.until(job, "RUNNING")
        assert not site.driver.stop(other.delivery)
        with pytest.raises(CommandFailed, match="limit"):
            slurm.submit("nobody", f"--gres={GRES}:1", script="true")
        wait_until("nothing of it runs", lambda: site.driver.stop(other.delivery))
        assert slurm.state(job) == "CANCELLED"
        site.driver.remove(other.delivery)
        assert site.driver.present() == frozenset()

    def test_a_user_who_was_there_before_stays(self, site: SlurmSite, other: Wanted) -> None:
        run = site.slurm.run
        run("sacctmgr", "-i", "add", "account", "physics")
        run("sacctmgr", "-i", "add", "user", "games", "account=physics")
        before = site.snapshot()
        self.provide(site, other)
        self.end(site, other)
        assert site.snapshot() == before
        run("sacctmgr", "-i", "delete", "user", "games")
        run("sacctmgr", "-i", "delete", "account", "physics")

    @pytest.mark.parametrize(
        ("make", "named"),
        [
            (("add", "qos", "ch-d9"), "QOS ch-d9"),
            (("add", "account", "ch-b12"), "account ch-b12"),
        ],
    )
    def test_what_bears_the_name_and_not_the_mark_is_left_alone(
        self, site: SlurmSite, other: Wanted, make: tuple[str, ...], named: str
    ) -> None:
        site.slurm.run("sacctmgr", "-i", *make)
        with pytest.raises(SiteProblem, match=f"{named} was not made by the agent"):
            site.driver.provide(other)
        site.slurm.run("sacctmgr", "-i", "delete", *make[1:])

    def test_a_kill_after_any_change_is_made_good(self, site: SlurmSite, wanted: Wanted) -> None:
        """Each change of providing and of removing in turn is the last before the agent is killed."""
        other = replace(wanted, delivery=9, cards=2)
        self.provide(site, other)
        only_other = site.snapshot()
        changes = 1
        while _killed_after(changes, site, lambda driver: driver.provide(wanted)):
            site.driver.provide(wanted)
            assert site.driver.accept(wanted).passed
            _killed_after(changes, site, lambda driver: driver.remove(7))
            site.driver.remove(7)
            changes += 1
        site.driver.remove(7)
        assert changes == 5
        assert site.snapshot() == only_other


class _Killed(Exception):
    pass


@dataclass
class _Limited:
    """Commands of which only so many change anything."""

    slurm: Slurm
    left: int

    def __call__(self, *command: str) -> str:
        done = self.slurm.run(*command)
        self.left -= not {"show", "sacct", "squeue"} & set(command)
        if self.left == 0:
            raise _Killed
        return done


def _killed_after(commands: int, site: SlurmSite, what: object) -> bool:
    driver = replace(site.driver, run=_Limited(site.slurm, commands))  # type: ignore[arg-type]
    try:
        what(driver)  # type: ignore[operator]
    except _Killed:
        return True
    return False
