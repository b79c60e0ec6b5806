"""Make or refresh `.venv` from uv.lock: `python3 -m workbench.bootstrap`, run by make before all else.

Standard library only, Python 3.6 syntax (see preflight.py). A stamp in `.venv` names the lock it was
installed from, so that a run with nothing to do costs a few milliseconds.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from workbench.preflight import Problem, check_disk, check_python, check_writable, complain

UV = "uv==0.13.9"
INSTALL_MIB = 2048
INTERRUPTED = 130
OF_AN_ENVIRONMENT = {
    "bin",
    "include",
    "lib",
    "lib64",
    "pyvenv.cfg",
    "share",
    "tools",
    ".gitignore",
    "CACHEDIR.TAG",
}


class Environment:
    """The virtual environment of one checkout, and how it comes to be."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.stamp = self.folder / "installed-from"
        # Beside site-packages: `uv sync` removes whatever the lock does not name, itself included.
        self.tools = self.folder / "tools" / UV.replace("==", "-")

    def wanted(self) -> str:
        digest = hashlib.sha256()
        for name in ("uv.lock", "pyproject.toml"):
            digest.update((self.root / name).read_bytes())
        return f"{digest.hexdigest()} {UV}\n"

    def is_current(self) -> bool:
        try:
            return self.python.exists() and self.stamp.read_text() == self.wanted()
        except FileNotFoundError:
            return False

    def prepare(self) -> None:
        made_here = not self.folder.exists()
        try:
            self._build()
        except BaseException:
            if made_here:
                shutil.rmtree(str(self.folder), ignore_errors=True)
            raise

    def _build(self) -> None:
        if self.stamp.exists():
            self.stamp.unlink()
        if not self._works():
            say("Creating the virtual environment in .venv")
            self._create()
        self._fetch_uv()
        say("Installing the locked packages (a few hundred MB the first time)")
        self._sync()
        self.stamp.write_text(self.wanted())

    def _works(self) -> bool:
        """False when it is absent, half-made, its Python is gone, or that Python is too old."""
        if not self.python.exists():
            return False
        probe = "import sys; sys.exit(sys.version_info < (3, 11))"
        return run([str(self.python), "-c", probe]).returncode == 0

    def _create(self) -> None:
        if self.folder.exists() and {entry.name for entry in self.folder.iterdir()} - OF_AN_ENVIRONMENT:
            raise Problem(f"{self.folder} is in the way and is no virtual environment: move it elsewhere.")
        result = run([sys.executable, "-m", "venv", "--clear", str(self.folder)])
        if result.returncode == 0:
            return
        if "ensurepip" in result.stdout or "No module named venv" in result.stdout:
            version = "{}.{}".format(*sys.version_info[:2])
            raise Problem(
                "Python's venv module is not installed: on Debian and Ubuntu, "
                f"apt-get install python{version}-venv."
            )
        raise Problem(f"Could not create {self.folder}: {last_line(result.stdout)}")

    def _fetch_uv(self) -> None:
        if (self.tools / "bin" / "uv").exists():
            return
        pip = [str(self.python), "-m", "pip"]
        if run([*pip, "--version"]).returncode != 0:
            run([str(self.python), "-m", "ensurepip"])
        fresh = self.tools.with_name(self.tools.name + ".new")
        shutil.rmtree(str(fresh), ignore_errors=True)
        result = run([*pip, "install", "--quiet", "--target", str(fresh), UV])
        if result.returncode != 0:
            raise Problem(
                f"pip could not install {UV}: {last_line(result.stdout)} (is the package index reachable?)"
            )
        fresh.rename(self.tools)

    def _sync(self) -> None:
        uv = str(self.tools / "bin" / "uv")
        command = [uv, "sync", "--locked", "--group", "dev", "--project", str(self.root)]
        shown = sys.stderr.isatty()
        result = run(command if shown else [*command, "--quiet"], self._uv_environment(), shown=shown)
        if result.returncode == 0:
            return
        reason = "see above" if shown else last_line(result.stdout)
        raise Problem(
            f"uv could not install the locked packages: {reason} (run the command again to continue)"
        )

    def _uv_environment(self) -> "dict[str, str]":
        inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        return {
            **inherited,
            "UV_PROJECT_ENVIRONMENT": str(self.folder),
            "UV_PYTHON": str(self.python),
            "UV_PYTHON_DOWNLOADS": "never",
        }


def run(
    command: "list[str]", environment: "dict[str, str] | None" = None, *, shown: bool = False
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.STDOUT,
        universal_newlines=True,  # noqa: UP021 - `text` is newer than what must run this
        check=False,
    )


def last_line(output: str) -> str:
    """The line of a failed command's output that says most: the last error, else the last line."""
    lines = [line.strip() for line in (output or "").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no output"])[-1]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def bootstrap(root: Path, version: "tuple[int, ...]") -> None:
    check_python(version)
    environment = Environment(root)
    if environment.is_current():
        return
    check_writable(root)
    check_disk(root, INSTALL_MIB)
    environment.prepare()


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        bootstrap(Path(__file__).resolve().parent.parent, tuple(sys.version_info[:3]))
    except Problem as problem:
        complain(problem)
        return 1
    except KeyboardInterrupt:
        complain("interrupted.")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
