"""Install the dependency group ``bench``, unless it is there: ``python -m benchmarks.solvers``.

Nothing else needs the solvers, so ``make demo`` and ``make test`` leave them out.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from workbench.bootstrap import Environment

ROOT = Path(__file__).resolve().parents[1]
SOLVERS = ("highspy", "ortools")


def main() -> int:
    if all(find_spec(solver) for solver in SOLVERS):
        return 0
    environment = Environment(ROOT)
    print("Installing the solvers that the engine is measured against", flush=True)
    command = [
        str(environment.tools / "bin" / "uv"), "sync", "--locked", "--quiet", "--inexact",
        "--group", "dev", "--group", "bench",
        "--project", str(ROOT), "--python", str(environment.python), "--no-python-downloads",
    ]  # fmt: skip
    return subprocess.run(command, check=False).returncode  # noqa: S603 - no word of it comes from outside


if __name__ == "__main__":
    sys.exit(main())
