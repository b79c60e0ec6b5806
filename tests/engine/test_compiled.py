"""Machine code that is kept on disk is not used when anything that it may contain has changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from marketplace.engine import compiled

CALLER = """
from kept.callee import answer
from kept.compiled import compiled

@compiled
def ask():
    return answer()
"""

CALLEE = """
from kept.compiled import compiled

@compiled
def answer():
    return {}
"""


def answer_of(folder: Path, answer: int) -> str:
    """What another process makes of a package whose caller stays and whose callee gives ``answer``."""
    (folder / "kept" / "callee.py").write_text(CALLEE.format(answer))
    # Python's own kept code goes by the second in which a file was written: -B makes none.
    command = [sys.executable, "-B", "-c", "from kept.caller import ask; print(ask())"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_caller_is_compiled_anew_when_its_callee_has_changed(tmp_path: Path) -> None:
    package = tmp_path / "kept"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "caller.py").write_text(CALLER)
    shutil.copy(compiled.__file__, package / "compiled.py")
    assert [answer_of(tmp_path, 1), answer_of(tmp_path, 2)] == ["1", "2"]
    kept = {each.name for each in package.rglob("*.nbc")}
    assert answer_of(tmp_path, 2) == "2"
    assert kept == {each.name for each in package.rglob("*.nbc")}
