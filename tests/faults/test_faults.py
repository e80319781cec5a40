"""Short forms of `make faults`: trials under faults, and code that is broken on purpose to see that it looks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "faults", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def check_round(result: subprocess.CompletedProcess[str], *, faults: int, trials: int) -> None:
    assert result.returncode == 0, result.stdout + result.stderr[-4000:]
    total = next(line.split() for line in result.stdout.splitlines() if line.startswith("all "))
    injected, wanted, ended, lost, doubled, findings = (int(total[i]) for i in (2, 3, 5, 7, 8, 9))
    assert injected >= faults
    assert wanted >= trials
    assert (ended, lost, doubled, findings) == (wanted, 0, 0, 0)


def check_controls(result: subprocess.CompletedProcess[str], *shown: str) -> None:
    assert result.returncode == 0, result.stdout + result.stderr[-4000:]
    assert result.stdout.count("found out") == len(shown)
    for text in shown:
        assert text in result.stdout


@pytest.mark.long
def test_sixty_trials_under_all_that_can_happen_to_one_machine_end_once_each() -> None:
    check_round(run("--alone", "--kinds", "everything", "--trials", "60", "--faults", "8"), faults=4, trials=60)


@pytest.mark.long
def test_a_thousand_trials_under_all_that_can_happen_to_one_machine_end_once_each() -> None:
    check_round(run("--short"), faults=50, trials=1000)


@pytest.mark.long
def test_sixty_trials_of_optuna_programs_that_are_killed_and_frozen_end_once_each() -> None:
    pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")
    result = run("--alone", "--kinds", "optuna", "--trials", "60", "--faults", "10")
    check_round(result, faults=4, trials=60)


@pytest.mark.long  # in short: test_what_is_acknowledged_and_not_kept_is_found_out
def test_an_append_that_is_broken_on_purpose_is_found_out() -> None:
    check_controls(run("--controls", "duplicate"), "missing: ")


@pytest.mark.long
def test_a_lease_that_is_broken_on_purpose_is_found_out() -> None:
    check_controls(run("--controls", "clock"), "neither killed nor frozen")
