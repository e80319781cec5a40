"""The short form of `make faults`: a thousand trials under a hundred faults, and controls to see that it looks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "faults", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(400)
def test_a_thousand_trials_under_all_that_can_happen_to_one_machine_end_once_each() -> None:
    told = run("--short")
    assert told.returncode == 0, told.stdout + told.stderr[-4000:]
    total = next(line.split() for line in told.stdout.splitlines() if line.startswith("all "))
    faults, trials, ended, lost, doubled, findings = (int(total[i]) for i in (2, 3, 4, 6, 7, 8))
    assert faults >= 50
    assert trials >= 1000
    assert (ended, lost, doubled, findings) == (trials, 0, 0, 0)


@pytest.mark.timeout(200)
def test_what_is_broken_on_purpose_is_found_out() -> None:
    told = run("--controls", "duplicate,clock")
    assert told.returncode == 0, told.stdout + told.stderr[-4000:]
    assert told.stdout.count("found out") == 2
    assert "missing: " in told.stdout
    assert "neither killed nor frozen" in told.stdout
