"""Ray Tune on hstore, in the environment of `make test-programs`: spaces, save and restore, a Tuner, tasks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("searched_by_ray.py")
PAGE = Path(__file__).parents[3] / "docs" / "ray.md"


def run(url: str, program: Path, cwd: Path) -> list[str]:
    """Run *program* in the environment of Ray; return the lines that it printed."""
    environment = Path(sys.prefix) / "programs" / "ray"
    if not (environment / "installed").exists():
        pytest.skip("ray is not installed: run `make test-programs`")
    done = subprocess.run(
        [str(environment / "bin" / "python"), "-W", "ignore", str(program)],
        cwd=cwd, env={"HSTORE_URL": url, "PATH": "/usr/bin:/bin", "HOME": str(cwd)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_a_searcher_of_rays_is_asked_told_saved_and_restored(mongo_url: str, tmp_path: Path) -> None:
    assert run(mongo_url, PROGRAM, tmp_path) == [
        "points first True",
        "types True",
        "fmin's points True",
        "states done 27 failed 3",
        "best True",
        "restored True",
        "told after restore True",
        "forgotten is next True",
        "behind 1.0 failed [1, 1]",
        "late is noted True",
        "paused None",
        "several losses 3",
        "refused 4",
    ]


@pytest.mark.long
def test_the_program_of_the_page_runs_on_a_local_ray(mongo_url: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    text = "\n".join(blocks).replace("/tmp/results", str(tmp_path / "results")).replace("mongodb://host/lab", mongo_url)
    program = tmp_path / "program.py"
    program.write_text(text)
    found = [line for line in run(mongo_url, program, tmp_path) if not line.startswith(("╭", "│", "╰"))]
    assert found[-4:] == ["0.1", "0.1 {'done': 6}", "['x']", "[0, 0]"]
