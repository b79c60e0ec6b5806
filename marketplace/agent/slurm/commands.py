"""Running Slurm's commands: each with a bound on its time, and with one way to write moments."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from marketplace.agent.errors import SiteProblem

LONGEST = 60
WAYS = {"TZ": "UTC", "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C.UTF-8"}


class CommandFailed(SiteProblem):
    """A command of Slurm's said no. ``output`` is what it printed."""

    def __init__(self, command: tuple[str, ...], output: str) -> None:
        self.output = output
        super().__init__(f"“{' '.join(command)}” failed: {' '.join(output.split()) or 'it printed nothing'}")


@dataclass(frozen=True, slots=True)
class Commands:
    """``environment`` is added to the agent's own, such as SLURM_CONF."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *command: str, seconds: int = LONGEST) -> str:
        """What it prints. ``CommandFailed`` where it says no, is missing, or takes too long."""
        try:
            done = subprocess.run(
                command,
                env=os.environ | WAYS | dict(self.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except FileNotFoundError as error:
            raise CommandFailed(command, "it is not installed, or not on the agent's PATH") from error
        except OSError as error:
            raise CommandFailed(command, f"it cannot be started: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(command, f"no answer within {seconds} seconds") from error
        if done.returncode != 0:
            raise CommandFailed(command, done.stderr + done.stdout)
        return done.stdout
