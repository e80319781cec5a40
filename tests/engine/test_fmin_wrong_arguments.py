"""Arguments of fmin that cannot be meant: said at once, before anything is evaluated or written."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import hyperopt
import numpy as np
import pytest

from hstore import Trials, fmin, hp, space_eval
from hstore.store.errors import BadSearchSpace, BadUrl, InvalidPoint, InvalidValue

SPACE = {"c": hp.choice("c", ["a", hp.uniform("x", 0, 1)])}


def search(fn: Any = lambda config: 1.0, space: Any = SPACE, **options: Any) -> Any:
    return fmin(fn, space, **{"algo": "rand", "max_evals": 4, "rstate": 0, "verbose": False, **options})


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("fn", None), ("fn", 5), ("fn", "pkg.mod:f"), ("early_stop_fn", 5), ("early_stop_fn", True),
        ("retries", 5), ("retries", ["failed"]), ("executor", ThreadPoolExecutor),
        ("show_progressbar", "no"), ("show_progressbar", np.ones(2)), ("trials_save_file", "/nowhere/trials.pkl"),
        ("loss_threshold", float("nan")),
    ],
)  # fmt: skip
def test_an_argument_of_a_wrong_kind_is_refused_by_its_name(option: str, wrong: Any, trials: Trials) -> None:
    more = {} if option == "trials_save_file" else {"trials": trials}
    with pytest.raises(InvalidValue, match=option):
        search(**{option: wrong}, **more)
    assert trials.experiment.state.created is None


@pytest.mark.parametrize("bar", [None, 0, False, np.False_, 1, np.True_])
def test_a_progress_bar_is_there_or_not_by_whatever_is_true_or_false(
    bar: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    search(show_progressbar=bar, verbose=True)
    assert ("trial/s" in capsys.readouterr().err) is bool(bar)


@pytest.mark.parametrize("returned", [True, None, (True,), (False, None), "yes", 3])
def test_what_early_stop_fn_has_to_return_is_said(returned: Any) -> None:
    trials = Trials()
    with pytest.raises(InvalidValue, match="early_stop_fn returned") as caught:
        search(early_stop_fn=lambda trials, *arguments: returned, trials=trials)
    assert "whether to stop, and a list" in caught.value.hint
    assert len(trials) == 1


@pytest.mark.parametrize(
    ("point", "error", "said"),
    [
        ({"c": 2}, IndexError, "c: a choice of 2 options has no option 2"), ({"c": -1}, ValueError, "c: a choice"),
        ({"c": "a"}, TypeError, "c: a choice is made by the index of an option, not by 'a'"),
        ({"c": 1.0}, TypeError, "c: a choice"), (None, InvalidPoint, "a point is"), ([0], TypeError, "a point is"),
    ],
)  # fmt: skip
def test_a_point_that_a_space_has_no_value_at_names_the_label(point: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        space_eval(SPACE, point)


def in_list(x: Any) -> Any:
    return [x]


@pytest.mark.parametrize("nest", [lambda x: x, in_list, lambda x: hp.choice("c", [1, x]), lambda x: {"a": {"b": x}}])
def test_a_hyperparameter_of_hyperopt_s_is_no_constant(nest: Callable[[Any], Any]) -> None:
    with pytest.raises(BadSearchSpace, match="an expression of hyperopt's") as caught:
        search(space=nest(hyperopt.hp.uniform("x", 0, 1)))
    assert "from hstore import hp" in caught.value.hint


def test_hyperopt_s_algorithms_and_trials_are_refused_with_what_to_write_instead() -> None:
    with pytest.raises(InvalidValue, match=r"hyperopt\.tpe\.suggest is hyperopt's") as caught:
        search(algo=hyperopt.tpe.suggest)
    assert "from hstore import tpe" in caught.value.hint
    with pytest.raises(InvalidValue, match=r"not hyperopt\.base\.Trials") as caught:
        search(trials=hyperopt.Trials())
    assert "trials_from_docs" in caught.value.hint


def kept_by_hyperopt(file: Path) -> hyperopt.Trials:
    trials = hyperopt.Trials()
    hyperopt.fmin(
        lambda x: x**2, hyperopt.hp.uniform("x", 0, 1), algo=hyperopt.rand.suggest, max_evals=5, trials=trials,
        rstate=np.random.default_rng(0), verbose=False, show_progressbar=False,
    )  # fmt: skip
    file.write_bytes(pickle.dumps(trials))
    return trials


def test_a_search_that_hyperopt_kept_in_a_file_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "trials.pkl"
    theirs = kept_by_hyperopt(file)
    space = hp.uniform("x", 0, 1)
    search(lambda x: x**2, space, max_evals=8, trials_save_file=file)
    assert cloudpickle.loads(file.read_bytes()).losses()[:5] == theirs.losses()
    known = Trials()
    search(lambda x: x**2, space, max_evals=3, trials=known, warm_start=theirs)
    assert known.losses()[:5] == theirs.losses()
    assert len(known) == 8


@pytest.mark.parametrize("content", [b"", b"junk", pickle.dumps({"no": "trials"}), b"cno_such_module\nTrials\n."])
def test_a_file_that_holds_no_trials_is_named_and_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "trials.pkl"
    file.write_bytes(content)
    with pytest.raises(InvalidValue, match=r"trials\.pkl (cannot be read|holds no trials)"):
        search(trials_save_file=file)
    assert file.read_bytes() == content


def test_a_store_is_named_by_text() -> None:
    with pytest.raises(BadUrl, match="is text, not int"):
        search(experiment="e", store=5)
