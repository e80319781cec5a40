"""`hydra/sweeper=hstore`: a real program of Hydra is swept over, and the sweep is resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import GENEROUS

from hstore.engine.bridges.hydra_search import override_space, sweep
from hstore.engine.space import compile_space
from hstore.store.errors import AllTrialsFailed, InvalidLoss, InvalidValue
from hstore.store.store import Store

pytest.importorskip("hydra", reason="needs Hydra: pip install hydra-core")

from hydra.core.override_parser.overrides_parser import OverridesParser

APP = """
import hydra

@hydra.main(version_base=None, config_path=None, config_name=None)
def app(config):
    if config.n == 3:
        raise ValueError("three")
    assert config.model.name == "a b"
    return (config.lr - 0.01) ** 2 + config.n + (config.opt == "sgd")

app()
"""
SWEEP = ["-m", "hydra/sweeper=hstore", "hydra/launcher=basic", "hydra.sweeper.experiment=swept", "hydra.sweeper.seed=0",
         "hydra.sweeper.algo=rand", "hydra.sweeper.batch=2", "+lr=tag(log, interval(1e-5, 1))", "+opt=adam,sgd",
         "+n=range(1,5)", "+model.name='a b'"]  # fmt: skip


def space_of(*overrides: str) -> dict[str, str]:
    space = override_space(OverridesParser.create().parse_overrides(list(overrides)))
    compiled = compile_space(space.space)
    return {label: compiled.describe(label) for label in compiled.as_written}


def test_a_program_of_hydra_is_swept_over_and_the_same_sweep_goes_on(
    mongo_url: str, mongo_store: Store, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)

    def run(*more: str) -> None:
        # PYTHONPATH stands for what is installed.
        environment = {**os.environ, "HSTORE_URL": mongo_url, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "app.py", *SWEEP, *more], cwd=tmp_path, env=environment, check=False,
                              capture_output=True, text=True, timeout=GENEROUS)  # fmt: skip
        assert done.returncode == 0, done.stderr

    run("hydra.sweeper.max_evals=6", "hydra.sweep.dir=first")
    first = mongo_store.experiment("swept")
    assert len(first.trials) == 6
    assert {trial.error for trial in first.trials if trial.state == "failed"} <= {"ValueError: three"}
    best = (tmp_path / "first" / "optimization_results.yaml").read_text()
    assert "name: hstore" in best
    assert f"best_evaluated_result: {first.best.loss!r}" in best
    assert sorted(first.best.params) == ["lr", "n", "opt"]
    run("hydra.sweeper.max_evals=8", "hydra.sweep.dir=second")
    longer = mongo_store.experiment("swept")
    assert len(longer.trials) == 8
    assert [trial.point for trial in longer.trials[: len(first.trials)]] == [trial.point for trial in first.trials]


def test_hydras_overrides_are_the_space() -> None:
    space = space_of("lr=tag(log, interval(1, 2))", "x=interval(0, 1.5)", "n=int(interval(1, 8))", "db=mysql,pg")
    assert space == {
        "lr": "log(1, 2)", "x": "uniform(0, 1.5)", "n": "int(1, 8)",
        "db": "choice('mysql', 'pg')",
    }  # fmt: skip


def test_an_option_is_written_in_a_job_as_on_the_command_line() -> None:
    space = override_space(OverridesParser.create().parse_overrides(["db=[1,2],{a:3},null,'a b'", "seed=1"]))
    compiled = compile_space(space.space)
    written = [space.overrides(compiled.evaluate({"db": option})) for option in range(4)]
    assert written == [["seed=1", f"db={text}"] for text in ("[1,2]", "{a:3}", "null", "'a b'")]


def test_an_option_in_quotes_is_what_stands_in_them() -> None:
    parser = OverridesParser.create()
    for written in ('choice("it\'s", \'a"b\', "é", "1", "null", 1, \'a,b\', "")', "'1',\"it's\",true"):
        override = parser.parse_override(f"s={written}")
        space = override_space([override])
        compiled = compile_space(space.space)
        values = list(override.sweep_iterator())
        given = [space.overrides(compiled.evaluate({"s": option})) for option in range(len(values))]
        read = [parser.parse_override(text).value() for [text] in given]
        expected = [getattr(value, "text", value) for value in values]
        assert [(type(value), value) for value in read] == [(type(value), value) for value in expected]


def test_the_order_of_shuffled_options_is_the_same_each_time() -> None:
    spaces = [space_of("n=shuffle(1,2,3,4,5,6)", "s=shuffle(choice(a,b,c,d,e))") for _ in range(3)]
    assert spaces[0] == spaces[1] == spaces[2]


def test_the_best_of_a_sweep_is_a_front_where_jobs_return_several_losses() -> None:
    class Returned:
        def __init__(self, job: list[str]) -> None:
            x = float(job[0].removeprefix("x="))
            self.return_value = (x, 1 - x)

    overrides = OverridesParser.create().parse_overrides(["x=interval(0,1)"])
    found = sweep(
        overrides, lambda jobs, _: [Returned(job) for job in jobs], experiment="front",
        store=Store.in_memory(), max_evals=3,  # type: ignore[arg-type]
    )  # fmt: skip
    assert [trial.tid for trial in found] == [0, 1, 2]


def test_a_sweep_all_of_whose_jobs_raise_has_failed() -> None:
    class Raised:
        @property
        def return_value(self) -> float:
            raise ValueError("three")

    overrides = OverridesParser.create().parse_overrides(["x=interval(0,1)"])
    with pytest.raises(AllTrialsFailed, match="three"):
        sweep(
            overrides, lambda jobs, _: [Raised() for _ in jobs], experiment="failed",
            store=Store.in_memory(), max_evals=2,  # type: ignore[arg-type]
        )  # fmt: skip


def test_what_cannot_be_searched_is_named() -> None:
    with pytest.raises(InvalidValue, match="no override is a range"):
        space_of("lr=1")
    with pytest.raises(InvalidValue, match="n: whole numbers"):
        space_of("n=tag(log, int(interval(1, 8)))")


def test_a_job_that_returns_no_number_ends_the_sweep() -> None:
    class Returned:
        return_value = None

    overrides = OverridesParser.create().parse_overrides(["x=interval(0,1)"])
    store = Store.in_memory()
    with pytest.raises(InvalidLoss):
        sweep(overrides, lambda jobs, first: [Returned()], experiment="none", store=store, max_evals=3)  # type: ignore[arg-type]
    assert store.experiment("none").state.counts == {"failed": 1}
