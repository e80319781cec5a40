"""`python -m hstore.compat`: programs written for hyperopt run on hstore as they are, and say what they said there."""

import os
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.cli.recorded_hyperopt import PROGRAMS, TUTORIALS, print_on_hyperopt, printed_by_hyperopt

import hstore


def python(*args: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, args)],
        capture_output=True, text=True, cwd=cwd, env=os.environ | environment, check=False,
    )  # fmt: skip


def compat(*args: str | Path, cwd: Path, **environment: str) -> str:
    """Return what a program prints that is run on hstore."""
    result = python("-m", "hstore.compat", *args, cwd=cwd, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    "name", [TUTORIALS[0], *(pytest.param(name, marks=pytest.mark.long) for name in TUTORIALS[1:])]
)
@pytest.mark.covers("fmin.fmin", "fmin.space_eval", "pyll.stochastic.sample", "pyll.scope", "base.Trials")
def test_a_program_prints_on_hstore_what_it_prints_on_hyperopt(name: str, tmp_path: Path) -> None:
    theirs = printed_by_hyperopt(name)
    assert compat(PROGRAMS / f"{name}.py", cwd=tmp_path) == theirs
    assert theirs.count("\n") > 3


@pytest.mark.long
@pytest.mark.parametrize("name", TUTORIALS)
def test_what_hyperopt_printed_was_recorded(name: str) -> None:
    assert print_on_hyperopt(name) == printed_by_hyperopt(name)


def test_a_search_in_mongodb_with_the_worker_program_runs_unmodified(mongo_url: str, tmp_path: Path) -> None:
    found = compat(PROGRAMS / "in_mongodb.py", mongo_url, cwd=tmp_path, PYTHONPATH=str(PROGRAMS))
    assert found.splitlines() == [
        "4 [2, 2, 2, 2] True",
        "b'half' ['half']",
        "4 jobs, 0 queued, 0 running, 0 errors",
        "0",
    ]


@pytest.mark.long
def test_hyperopt_sklearn_runs_unmodified(tmp_path: Path) -> None:
    installed = Path(sys.prefix) / "hpsklearn"
    if not installed.exists():
        pytest.skip("hyperopt-sklearn is not installed: `make .venv/hpsklearn` does so")
    where, searched, score = compat(
        PROGRAMS / "tuned_by_hpsklearn.py",
        cwd=tmp_path, PYTHONPATH=str(installed), OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore",
    ).splitlines()  # fmt: skip
    assert str(installed) in where
    assert where.split()[0] == hstore.__file__
    assert searched.startswith("hstore 6 ")
    assert float(score) > 0.7, "three kinds of iris; how it is split, hpsklearn leaves to chance"


def test_modules_are_hstores_own_and_say_that_they_are_hyperopt_0_3(tmp_path: Path) -> None:
    (tmp_path / "look.py").write_text(
        "import builtins, sys, hyperopt, hyperopt.base, hyperopt.fmin, hyperopt.pyll, importlib.metadata\n"
        "import hstore, hstore.base\n"
        "from hyperopt import *\n"
        "from hyperopt.pyll import scope as ho_scope\n"
        "import hyperopt.tpe as theirs\n"
        "assert open is builtins.open\n"
        "assert hyperopt.base is hstore.base is sys.modules['hyperopt.base'] and hyperopt.fmin is fmin is hstore.fmin\n"
        "assert sys.modules['hyperopt.fmin'] is sys.modules['hstore.fmin'] and theirs is hstore.tpe\n"
        "assert hstore.base.__spec__.name == 'hstore.base' and ho_scope is hstore.pyll.scope\n"
        "hyperopt.mine = 1\n"
        "versions = hyperopt.__version__, importlib.metadata.version('hyperopt'), hstore.__version__\n"
        "print(hyperopt, *versions, hstore.mine)\n"
        "print(sys.argv, sys.path[0], __name__, sys.modules['__main__'].__dict__ is globals())\n"
        "try:\n"
        "    import hyperopt.nothing_such\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    names, ran, missing = compat("../look.py", "--flag", "-m", cwd=elsewhere).splitlines()
    assert names == f"<module 'hyperopt' from {hstore.__file__!r}> 0.3.0 0.3.0 {hstore.__version__} 1"
    assert ran == f"{['../look.py', '--flag', '-m']} {tmp_path} __main__ True"
    assert missing == "No module named 'hyperopt.nothing_such': hyperopt is hstore here, which has none of that name"


def test_a_module_runs_as_with_python_m(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "search.py").write_text("import sys, hyperopt\nprint(hyperopt.__file__, sys.argv[1:])\n")
    assert compat("-m", "package.search", "-x", cwd=tmp_path) == f"{hstore.__file__} ['-x']\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing.py"], "no such file: nothing.py"),
        (["-m", "nothing.such"], "no module named nothing.such"),
        ([], "Missing argument 'SCRIPT'"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(args: list[str], message: str, tmp_path: Path) -> None:
    found = python("-m", "hstore.compat", *args, cwd=tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    assert message in found.stderr.splitlines()[-1]


def test_what_a_program_raises_or_returns_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(7) if sys.argv[1:] else 1 / 0\n")
    assert python("-m", "hstore.compat", "ends.py", "x", cwd=tmp_path).returncode == 7
    failed = python("-m", "hstore.compat", "ends.py", cwd=tmp_path)
    assert (failed.returncode, failed.stderr.splitlines()[-1]) == (1, "ZeroDivisionError: division by zero")


def test_installing_it_twice_is_fine_and_after_hyperopt_was_imported_too_late(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(
        "import hstore.compat\nhstore.compat.install()\nhstore.compat.install()\n"
        "import hyperopt\nhstore.compat.install()\nprint(hyperopt.Trials is hstore.Trials)\n"
    )
    assert python("twice.py", cwd=tmp_path).stdout == "True\n"
    (tmp_path / "late.py").write_text(
        "import sys, types\nsys.modules['hyperopt'] = types.ModuleType('hyperopt')\n"
        "import hstore.compat\nhstore.compat.install()\n"
    )
    late, hint = python("late.py", cwd=tmp_path).stderr.splitlines()[-2:]
    assert late.endswith("HstoreError: hyperopt was imported before, from nowhere")
    assert "call hstore.compat.install() before" in hint


def test_what_is_pickled_there_loads_where_there_is_no_hyperopt(tmp_path: Path) -> None:
    (tmp_path / "dump.py").write_text(
        "import pickle, cloudpickle, hyperopt\n"
        "from hyperopt import fmin, hp, rand, Trials\n"
        "trials = Trials()\n"
        "space = {'x': hp.uniform('x', 0, 1)}\n"
        "def objective(point):\n"
        "    return hyperopt.space_eval(space, point)['x']\n"
        "fmin(objective, space, rand.suggest, 3, trials=trials, rstate=0, verbose=False)\n"
        "open('trials.pkl', 'wb').write(pickle.dumps(trials))\n"
        "open('objective.pkl', 'wb').write(cloudpickle.dumps(objective))\n"
    )
    compat("dump.py", cwd=tmp_path)
    (tmp_path / "load.py").write_text(
        "import sys, pickle\n"
        "sys.modules['hyperopt'] = None\n"
        "print(len(pickle.load(open('trials.pkl', 'rb'))), pickle.load(open('objective.pkl', 'rb'))({'x': 0.5}))\n"
    )
    assert python("load.py", cwd=tmp_path).stdout == "3 0.5\n"
    assert len(pickle.loads((tmp_path / "trials.pkl").read_bytes())) == 3


def test_processes_that_a_program_starts_have_hstore_too(mongo_url: str, tmp_path: Path) -> None:
    (tmp_path / "training.py").write_text(
        "import hyperopt\n\n"
        "def objective(point):\n"
        "    return {'loss': point['x'], 'status': hyperopt.STATUS_OK, 'by': hyperopt.__file__}\n"
    )
    (tmp_path / "parallel.py").write_text(
        "import multiprocessing\n"
        "from hyperopt import fmin, hp, rand\n"
        "import hyperopt.base, hstore\n"
        "from training import objective\n\n"
        "def ask(_):\n"
        "    import hyperopt.base, hstore.base\n"
        "    return hyperopt.base is hstore.base\n\n"
        "if __name__ == '__main__':\n"
        "    space = {'x': hp.uniform('x', 0, 1)}\n"
        "    fmin(objective, space, rand.suggest, 2, experiment='mine', workers=1, verbose=False)\n"
        "    with hstore.open() as store:\n"
        "        print({trial.result['by'] for trial in store.experiment('mine').trials})\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(ask, [0]))\n"
    )
    by, is_same = compat("parallel.py", cwd=tmp_path, HSTORE_URL=mongo_url).splitlines()
    assert (by, is_same) == (str({hstore.__file__}), "[True]")


@pytest.mark.long
def test_a_space_made_with_hyperopts_hp_can_be_imported(mongo_url: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("from hyperopt import hp\nSPACE = {'x': hp.uniform('x', 0, 1)}\n")
    (tmp_path / "search.py").write_text(
        "import pickle, hyperopt, numpy, train\n"
        "trials, draw = hyperopt.Trials(), hyperopt.rand.suggest\n"
        "rstate = numpy.random.default_rng(0)\n"
        "hyperopt.fmin(lambda point: 1, train.SPACE, draw, 2, trials=trials, rstate=rstate, verbose=False)\n"
        "pickle.dump(trials, open('trials.pkl', 'wb'))\n"
    )
    assert python("-W", "ignore", "search.py", cwd=tmp_path).returncode == 0
    command = ["import", "--from-hyperopt", "trials.pkl", "--space", "train:SPACE"]
    refused = python("-m", "hstore", "--store", mongo_url, *command, cwd=tmp_path)
    assert "python -m hstore.compat -m hstore import" in refused.stderr
    assert "2 done" in compat("-m", "hstore", "--store", mongo_url, *command, cwd=tmp_path)


def test_the_worker_program_is_installed_under_hyperopts_name_if_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "a folder" / "bin"
    for _ in range(2):  # again, after an upgrade of Python, say
        assert compat("--install-worker", folder, cwd=tmp_path) == f"wrote {folder / 'hyperopt-mongo-worker'}\n"
    shown = subprocess.run([folder / "hyperopt-mongo-worker", "--help"], capture_output=True, text=True, check=True)
    assert "--reserve-timeout" in shown.stdout


def test_hyperopts_own_worker_program_is_not_overwritten(tmp_path: Path) -> None:
    theirs = tmp_path / "hyperopt-mongo-worker"
    theirs.write_text("hyperopt's")
    refused = python("-m", "hstore.compat", "--install-worker", tmp_path, cwd=tmp_path)
    assert (refused.returncode, theirs.read_text()) == (2, "hyperopt's")
    assert "was not written by hstore" in refused.stderr


@pytest.mark.parametrize("args", [(), ("--install-worker", "bin", "search.py")])
def test_what_to_do_has_to_be_said_once(args: tuple[str, ...], tmp_path: Path) -> None:
    assert python("-m", "hstore.compat", *args, cwd=tmp_path).returncode == 2


def test_no_program_of_hyperopts_name_comes_with_hstore() -> None:
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"hstore", "hstore-mongo-worker"}
