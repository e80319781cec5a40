"""`examples/read_bundle.py` reads and verifies a bundle without hstore."""

import subprocess
import sys
from pathlib import Path

from tests.waiting import GENEROUS

from hstore import Trials, fmin, hp, rand
from hstore.store.bundle import write_bundle

READER = Path(__file__).parents[2] / "examples" / "read_bundle.py"


def test_the_reader_finds_the_trials_and_the_last_decision_and_says_if_that_is_another(tmp_path: Path) -> None:
    trials = Trials()
    fmin(lambda p: p["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 3, trials=trials, rstate=0, verbose=False)
    trials.experiment.amend(1, loss=7.0, reason="r")
    file = tmp_path / "e.hstore"
    head = write_bundle(trials.experiment, file, version="0")["last_decision"]
    without_hstore = "import runpy, sys; sys.modules['hstore'] = None; "
    code = f"{without_hstore}runpy.run_path(sys.argv.pop(1), run_name='__main__')"

    def read(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-c", code, str(READER), str(file), *args], capture_output=True,
                              text=True, check=False, timeout=GENEROUS)  # fmt: skip

    good = read(head)
    assert (good.returncode, good.stderr) == (0, "")
    assert f"3 trials, last decision {head}" in good.stdout
    assert good.stdout.splitlines()[2].endswith(" 7.0")
    assert good.stdout.endswith("OK: every digest is right\n")
    bad = read("00" * 32)
    assert bad.returncode == 1


def test_a_copy_under_another_name_is_read_as_well(tmp_path: Path) -> None:
    trials = Trials()
    fmin(lambda p: p["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 2, trials=trials, rstate=0, verbose=False)
    file = tmp_path / "copy.hstore"
    write_bundle(trials.experiment.copy("copy"), file, version="0")
    read = subprocess.run(
        [sys.executable, str(READER), str(file)], capture_output=True, text=True, check=False, timeout=GENEROUS
    )
    assert (read.returncode, "OK: every digest is right" in read.stdout) == (0, True), read.stdout
