"""The command: what it is told, what it says, and what it leaves alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from marketplace.agent import main
from marketplace.agent.configuration import BadConfiguration, Configuration
from marketplace.agent.errors import SiteProblem
from marketplace.agent.identity import BadIdentity, Identity, Key
from marketplace.agent.slurm.driver import SlurmDriver

ROOT = Path(__file__).parents[2]
MANUAL = """
state = "{folder}/state"
driver = "ssh-manual"
[ssh-manual.memory_gb]
h800 = "80"
"""
SLURM = """
state = "{folder}/state"
driver = "slurm"
[slurm.environment]
SLURM_CONF = "/etc/slurm/slurm.conf"
[slurm.models.ascend-910b]
gres = "gpu:ascend910b"
partition = "main"
memory_gb = "64"
[slurm.users]
"12" = ["alice", "bob"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a site whose exchange does not answer."""
    Identity("http://127.0.0.1:1", Key.new(), "chk_secret").write(tmp_path / "state" / "identity.json")
    path = tmp_path / "agent.toml"
    path.write_text(MANUAL.format(folder=tmp_path))
    return path


def said(config: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main.main(["--config", str(config), *arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_slurm_is_configured(config: Path) -> None:
    config.write_text(SLURM.format(folder=config.parent))
    driver = Configuration.read(config).make_driver()
    assert isinstance(driver, SlurmDriver)
    assert driver.cluster.users_of(12) == ("alice", "bob")
    assert driver.cluster.cards("ascend-910b").gres == "gpu:ascend910b"
    assert driver.run.environment == {"SLURM_CONF": "/etc/slurm/slurm.conf"}


@pytest.mark.parametrize(
    ("was", "becomes", "named"),
    [
        ('driver = "ssh-manual"', 'driver = "pbs"', "one of slurm, kubernetes, ssh-manual"),
        ('driver = "ssh-manual"', "", "“driver” is missing"),
        ("[ssh-manual.memory_gb]", "[[ssh-manual.memory_gb]]", "“memory_gb” is no table"),
        ('state = "', "state = ", "agent.toml: "),
    ],
)
def test_a_mistake_is_named(config: Path, was: str, becomes: str, named: str) -> None:
    config.write_text(config.read_text().replace(was, becomes, 1))
    with pytest.raises(BadConfiguration, match=named):
        Configuration.read(config)


def test_what_slurm_is_not_told_is_asked_for(config: Path) -> None:
    config.write_text(SLURM.format(folder=config.parent).partition("[slurm.models")[0])
    driver = Configuration.read(config).make_driver()
    assert isinstance(driver, SlurmDriver)
    with pytest.raises(SiteProblem, match="no users at this site"):
        driver.cluster.users_of(12)
    with pytest.raises(SiteProblem, match="does not say which cards"):
        driver.cluster.cards("ascend-910b")


def test_a_key_that_others_can_read_is_not_used(config: Path) -> None:
    kept = Configuration.read(config).identity_file
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.chmod(0o640)
    with pytest.raises(BadIdentity, match="chmod 600"):
        Configuration.read(config).identity()
    kept.write_text("half of i")
    with pytest.raises(BadIdentity, match="cannot be read"):
        Configuration.read(config).identity()
    kept.unlink()
    with pytest.raises(BadIdentity, match="cardhour-agent enrol <url> --code"):
        Configuration.read(config).identity()


def test_the_doctor_says_what_is_wrong(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exporter = '[[telemetry.exporters]]\nurl = "http://127.0.0.1:2/metrics"\nnode = "n1"\n'
    config.write_text(config.read_text() + exporter)
    code, lines = said(config, "doctor", capsys=capsys)
    assert code == 1
    assert "ok      configuration: driver ssh-manual" in lines
    assert "ok      key: " in lines
    assert "WRONG   exchange: GET /api/v1/agent/self: ConnectError" in lines
    assert "WRONG   clock: GET /api/v1/agent/deliveries?limit=500: ConnectError" in lines
    assert "MiB are free at" in lines
    assert "WRONG   cards at http://127.0.0.1:2/metrics: http://127.0.0.1:2/metrics does not answer" in lines
    assert "ok      buffer: 0 events wait" in lines
    assert "ok      ssh-manual: 0 deliveries are set up" in lines


def test_an_exchange_that_does_not_answer_ends_nothing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = said(config, "run", "--once", capsys=capsys)
    assert (code, "the exchange does not answer" in lines) == (0, True)
    assert said(config, "status", capsys=capsys) == (0, "0 events wait for the exchange.\n")


def test_there_is_one_agent_of_a_folder(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with main._agent(Configuration.read(config)):
        code, lines = said(config, "run", "--once", capsys=capsys)
    assert (code, "Another agent works in" in lines) == (1, True)


def test_nothing_is_handed_over_that_nobody_asked_for(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(config, "handed-over", "7", "8", capsys=capsys) == (
        1,
        "cardhour-agent: Nobody asked for D7 here.\n",
    )


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = said(tmp_path / "none.toml", "doctor", capsys=capsys)
    assert (code, "none.toml" in lines) == (1, True)


def third_party_imports() -> set[str]:
    """What the agent's modules import that Python does not bring."""
    names: set[str] = set()
    for module in (ROOT / "marketplace" / "agent").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
    return names - set(sys.stdlib_module_names) - {"marketplace"}


def test_the_wheel_holds_the_agent_and_needs_nothing_of_the_exchange(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / "packaging" / "agent", check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert all(name.startswith(("marketplace/agent/", "cardhour-")) for name in names)
    [told] = (tmp_path / "site").glob("*.dist-info/METADATA")
    needed = re.findall(r"^Requires-Dist: ([\w-]+).*; extra == 'agent'", told.read_text(), re.MULTILINE)
    assert {name.replace("-", "_") for name in needed} == third_party_imports()
    assert "Requires-Dist: django" not in told.read_text().lower()
    blocked = (
        "import sys; sys.modules['django'] = None; from marketplace.agent.main import main; main(['-h'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked],
        env={"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "cardhour-agent" in done.stdout) == (0, True), done.stderr
