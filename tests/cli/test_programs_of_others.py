"""Packages that other people wrote for hyperopt run unmodified on hstore: `make test-programs` installs them."""

import subprocess
import sys
from pathlib import Path

import pytest

import hstore

PROGRAMS = Path(__file__).with_name("written_for_hyperopt")
LOCKS = Path(__file__).parents[2] / "locks" / "programs"


def run(name: str, *args: str, cwd: Path) -> list[str]:
    """Run tuned_by_NAME.py in the environment of that package; return the lines that it printed."""
    environment = Path(sys.prefix) / "programs" / name
    if not (environment / "installed").exists():
        pytest.skip(f"{name} is not installed: run `make test-programs`")
    python, program = str(environment / "bin" / "python"), str(PROGRAMS / f"tuned_by_{name}.py")
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "hstore.compat", program, *args],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    where, *given = done.stdout.splitlines()
    version = next(line for line in (LOCKS / f"{name}.txt").read_text().splitlines() if line.startswith(f"{name}=="))
    assert where == f"{hstore.__file__} {version.partition('==')[2]}"
    return given


def test_lales_hyperopt_tunes_a_pipeline_with_choices(tmp_path: Path) -> None:
    assert run("lale", cwd=tmp_path) == [*["hstore 5 True True"] * 3, "5"]


def test_nevergrads_hyperopt_is_asked_and_told(tmp_path: Path) -> None:
    assert run("nevergrad", cwd=tmp_path) == ["hstore 30 {'ok'}", "True", "21 True"]


def test_nnis_tuner_is_asked_and_told_two_at_a_time(tmp_path: Path) -> None:
    assert run("nni", cwd=tmp_path) == ["hstore True True"] * 3


def test_ray_tunes_search_is_asked_told_and_restored(tmp_path: Path) -> None:
    assert run("ray", "--alone", cwd=tmp_path) == ["hstore True 27 True", "True", "True"]


@pytest.mark.long
def test_a_tuner_of_rays_searches_on_a_local_ray(tmp_path: Path) -> None:
    assert run("ray", str(tmp_path / "results"), cwd=tmp_path)[-1] == "4 0 True"
