"""A whole Slurm cluster on this machine: Debian's packages, an own database, two nodes of eight cards.

The cards are terminals (`/dev/tty0` to `/dev/tty7`): files that Slurm counts as it counts accelerators.
Everything lives in one folder and on ports of its own, and goes with the process that started it.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from marketplace.agent.slurm.commands import CommandFailed, Commands

PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sacctmgr",
    "sbatch",
)
PACKAGES = "slurm-wlm slurmdbd munge mariadb-server"
CARDS = 8
GRES = "gpu:ascend910b"
PATIENCE = 30.0
USERS = ("nobody", "games", "www-data")
"""They are on every Debian machine."""

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
DbdHost=localhost
DbdPort={dbd}
SlurmUser=root
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageLoc=slurm_acct
StorageUser=root
"""

SLURM_CONF = """\
ClusterName=cardhour
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
ReturnToService=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={dbd}
AccountingStoragePass={folder}/munge.sock
AccountingStorageTRES=gres/gpu,gres/gpu:ascend910b
AccountingStorageEnforce=limits,qos
PriorityType=priority/multifactor
MpiDefault=none
KillWait=1
DebugFlags=NO_CONF_HASH
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={node1} CPUs=16 RealMemory=500 \
Gres=gpu:ascend910b:8 State=UNKNOWN
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={node2} CPUs=16 RealMemory=500 \
Gres=gpu:ascend910b:8 State=UNKNOWN
PartitionName=main Nodes=node[1-2] Default=YES MaxTime=INFINITE State=UP
"""

GRES_CONF = "Name=gpu Type=ascend910b File=/dev/tty[0-7]\n"
CGROUP_CONF = "CgroupPlugin=cgroup/v1\nCgroupAutomount=yes\nConstrainDevices=no\n"


def why_not() -> str | None:
    """Why no cluster can be started here; None where it can."""
    if missing := [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]:
        return f"{', '.join(missing)} not installed: apt-get install {PACKAGES}"
    if os.geteuid() != 0:
        return "Slurm's daemons start jobs as other users, so this needs root"
    if gone := [number for number in range(CARDS) if not Path(f"/dev/tty{number}").exists()]:
        return f"/dev/tty{gone[0]} is missing; it is to stand for a card"
    return None


@dataclass
class Slurm:
    folder: Path
    ports: dict[str, int]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "MYSQL_UNIX_PORT": str(self.folder / "db.sock"),
            "PATH": _path(),
        }

    @property
    def run(self) -> Commands:
        return Commands(self.environment)

    def sacctmgr(self, *lines: str) -> str:
        """Several commands over one connection, which costs as much as a command."""
        done = subprocess.run(
            ["sacctmgr", "--immediate", "--noheader", "--parsable2"],
            input="\n".join([*lines, "quit", ""]),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def clear(self) -> None:
        """Whatever a test left behind of what the agent makes, without the agent."""
        for user in ("root", *USERS):
            self.run("scancel", f"--user={user}")
        wait_until("no job is left", lambda: not self.run("squeue", "--noheader").split())
        for word in self.run("scontrol", "--oneliner", "show", "reservation").split():
            if word.startswith("ReservationName="):
                self.run("scontrol", "delete", word)
        users = [f"delete user name={user} account=ch-b12" for user in USERS]
        self.sacctmgr(*users, "delete account ch-b12", "delete qos ch-d7", "delete qos ch-d9")

    def submit(self, user: str, *arguments: str, script: str) -> int:
        """The number of a job; ``CommandFailed`` where Slurm refuses it."""
        who = pwd.getpwnam(user)
        command = ("sbatch", "--parsable", "--output=/dev/null", *arguments, f"--wrap={script}")
        done = subprocess.run(
            command,
            env=self.environment,
            cwd="/tmp",
            user=who.pw_uid,
            group=who.pw_gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(command, done.stderr)
        return int(done.stdout)

    def state(self, job: int) -> str:
        facts = self.run("scontrol", "--oneliner", "show", "job", str(job))
        return next(word.partition("=")[2] for word in facts.split() if word.startswith("JobState="))

    def until(self, job: int, *states: str) -> None:
        wait_until(f"job {job} is {' or '.join(states)}", lambda: self.state(job) in states)

    def accounted(self, job: int) -> list[tuple[int, int, int]]:
        """Elapsed seconds, cards and end of each run of a job, as Slurm adds them up itself."""

        def rows() -> list[list[str]]:
            columns = "--format=ElapsedRaw,End,AllocTRES,State"
            told = self.run("sacct", "-a", "-X", "-D", "-n", "-P", "-j", str(job), columns)
            return [line.split("|") for line in told.splitlines()]

        over = lambda: bool(rows()) and all(row[1].isdecimal() for row in rows())  # noqa: E731
        wait_until(f"the accounting knows the end of job {job}", over)
        cards = [dict(part.split("=") for part in row[2].split(",") if part) for row in rows()]
        return [
            (int(row[0]), int(held.get(f"gres/{GRES}", 0)), int(row[1]))
            for row, held in zip(rows(), cards, strict=True)
        ]

    def restart_controller(self) -> None:
        self._stop("slurmctld")
        self._start("slurmctld", "-D")
        self._answers("slurmctld", "scontrol", "ping")

    def start(self) -> None:
        self._write_configuration()
        data = f"--datadir={self.folder}/db"
        self._once("mariadb-install-db", "--no-defaults", data, "--user=root", "--skip-test-db",
                   "--auth-root-authentication-method=normal")  # fmt: skip
        self._start("munged", "--foreground", "--force", f"--key-file={self.folder}/munge.key",
                    f"--socket={self.folder}/munge.sock", f"--pid-file={self.folder}/munge.pid",
                    f"--seed-file={self.folder}/munge.seed")  # fmt: skip
        self._start("mariadbd", "--no-defaults", data, "--user=root", "--skip-networking",
                    f"--socket={self.folder}/db.sock", "--innodb-lock-wait-timeout=900",
                    "--innodb-flush-log-at-trx-commit=0")  # fmt: skip
        sockets = [self.folder / "db.sock", self.folder / "munge.sock"]
        wait_until("the database and munge listen", lambda: all(one.is_socket() for one in sockets))
        self._start("slurmdbd", "-D")
        self._answers("slurmdbd", "sacctmgr", "--noheader", "show", "cluster")
        self.run("sacctmgr", "--immediate", "add", "cluster", "cardhour")
        self._start("slurmctld", "-D", "-c")
        self._answers("slurmctld", "scontrol", "ping")
        for node in ("node1", "node2"):
            self._start(f"slurmd:{node}", "-D", "-N", node)
        idle = lambda: self.run("sinfo", "-h", "-N", "-o", "%T").split() == ["idle", "idle"]  # noqa: E731
        wait_until("both nodes are idle", idle)

    def stop(self) -> None:
        for name in reversed(list(self.daemons)):
            self._stop(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_configuration(self) -> None:
        for name in ("log", "state", "db"):
            (self.folder / name).mkdir()
        words = {"folder": self.folder, "host": socket.gethostname().partition(".")[0]} | self.ports
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**words))
        (self.folder / "gres.conf").write_text(GRES_CONF)
        (self.folder / "cgroup.conf").write_text(CGROUP_CONF)
        for name, content in (
            ("slurmdbd.conf", SLURMDBD_CONF.format(**words).encode()),
            ("munge.key", secrets.token_bytes(128)),
        ):
            (self.folder / name).write_bytes(content)
            (self.folder / name).chmod(0o600)

    def _once(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    def _start(self, name: str, *arguments: str) -> None:
        """A daemon that ends with this process, however that ends."""
        command = ["setpriv", "--pdeathsig", "TERM", "--", name.partition(":")[0], *arguments]
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _stop(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _answers(self, name: str, *command: str) -> None:
        def answers() -> bool:
            if self.daemons[name].poll() is not None:
                raise RuntimeError((self.folder / "log" / f"{name}.out").read_text()[-2000:])
            try:
                return "DOWN" not in self.run(*command)
            except CommandFailed:
                return False

        wait_until(f"{name} answers", answers)


@contextmanager
def running() -> Iterator[Slurm]:
    # Not pytest's folder: other users' jobs read slurm.conf.
    folder = Path(mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    slurm = Slurm(folder, _free_ports("dbd", "ctld", "node1", "node2"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def wait_until(what: str, holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    ends = time.monotonic() + patience
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"After {patience} seconds it is not so that {what}.")
        time.sleep(0.1)


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_ports(*names: str) -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    try:
        return {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    finally:
        for one in sockets:
            one.close()
