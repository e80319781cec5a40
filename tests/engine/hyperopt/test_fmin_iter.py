"""FMinIter carries out a call of fmin in parts: the same trials, whatever the parts."""

import importlib
import math
import warnings
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import hstore
from hstore import Domain, FMinIter, Trials, base, fmin, hp, rand, tpe
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.exceptions import BadSearchSpace, InvalidAnnotatedParameter
from hstore.store.errors import InvalidValue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt

face, their_fmin = importlib.import_module("hstore.fmin"), importlib.import_module("hyperopt.fmin")
SPACE = {"x": hp.uniform("x", -2, 2), "c": hp.choice("c", ["a", {"deep": hp.normal("y", 0, 1)}])}


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


def search(trials: Trials, **arguments: Any) -> FMinIter:
    return FMinIter(tpe.suggest, Domain(square, SPACE), trials, np.random.default_rng(1), **arguments)


def is_sound(trials: Trials) -> bool:
    return not check(trials.experiment.store, trials.experiment.name) and derive_again(trials.experiment).is_same


@pytest.mark.covers("fmin.FMinIter", "fmin.FMinIter.run", "fmin.FMinIter.exhaust")
def test_parts_of_a_search_make_the_trials_of_the_whole(trials: Trials) -> None:
    whole = Trials()
    fmin(square, SPACE, algo=tpe.suggest, max_evals=25, trials=whole, rstate=np.random.default_rng(1), verbose=False)
    parts = search(trials, max_evals=25)
    assert trials.experiment.state.events == 0  # nothing is written before it is asked for
    parts.run(3)
    parts.run(4)
    assert len(trials) == 7
    assert parts.exhaust() is parts
    assert (trials.vals, trials.losses()) == (whole.vals, whole.losses())
    assert trials.experiment.state.status == "finished"
    assert is_sound(trials)


@pytest.mark.covers("fmin.FMinIter.__iter__", "fmin.FMinIter.__next__", "fmin.FMinIter.is_cancelled")
def test_iterating_yields_after_each_trial_but_the_last_as_hyperopt_does() -> None:
    lengths = []
    for library in (hyperopt, hstore):
        hps = library.hp
        domain = library.Domain(square, {"x": hps.uniform("x", -2, 2)})
        trials = library.Trials()
        steps = library.FMinIter(library.rand.suggest, domain, trials, np.random.default_rng(0), max_evals=3)
        lengths.append([len(seen) for seen in steps])
        assert len(trials) == 3
        assert not steps.is_cancelled
    assert lengths == [[1, 2], [1, 2]]
    assert list(steps) == []  # and nothing beyond max_evals
    assert trials.experiment.state.why == "max_evals"


def test_a_step_ends_where_the_early_stop_function_says_so() -> None:
    trials = Trials()
    steps = search(trials, max_evals=10, early_stop_fn=lambda seen: (len(seen) == 2, []))
    assert [len(seen) for seen in steps] == [1]
    assert (len(trials), trials.experiment.state.why) == (2, "early_stop")


def test_a_search_that_somebody_stopped_is_cancelled() -> None:
    from hstore.engine.search.control import pause

    trials = Trials()
    steps = search(trials, max_evals=10)
    next(steps)
    pause(trials.experiment, "lunch")
    assert list(steps) == []
    assert steps.is_cancelled
    assert len(trials) == 1


@pytest.mark.covers("fmin.FMinIter.serial_evaluate", "fmin.FMinIter.block_until_done")
def test_what_is_queued_can_be_evaluated_without_deciding_more() -> None:
    trials = Trials()
    part = search(trials, max_evals=10)
    part.run(1)
    trials.enqueue([{"x": x, "c": 0} for x in (0.5, 1.0, 1.5)])
    part.serial_evaluate(2)
    assert trials.losses()[1:] == [0.25, 1.0, None]
    part.block_until_done()
    assert trials.losses()[1:] == [0.25, 1.0, 2.25]
    assert is_sound(trials)


@pytest.mark.covers("fmin.FMinIter.catch_eval_exceptions", "fmin.FMinIter.pickle_protocol")
def test_what_the_objective_raises_comes_out_unless_it_is_to_be_caught() -> None:
    def explode(config: Any) -> float:
        raise ZeroDivisionError

    trials = Trials()
    part = FMinIter(rand.suggest, Domain(explode, SPACE), trials, 0, max_evals=3)
    assert part.catch_eval_exceptions is hyperopt.FMinIter.catch_eval_exceptions is False
    assert part.pickle_protocol == hyperopt.FMinIter.pickle_protocol
    with pytest.raises(ZeroDivisionError):
        part.run(1)
    part.catch_eval_exceptions = True
    part.run(1)
    assert [doc["misc"]["error"] for doc in trials.errors] == [("<class 'ZeroDivisionError'>", "")] * 2


def test_it_has_what_it_was_made_with_and_refuses_workers_without_a_store() -> None:
    trials, domain, rng = Trials(), Domain(square, SPACE), np.random.default_rng(0)
    for library, kind in ((hyperopt, hyperopt.FMinIter), (hstore, FMinIter)):
        made = kind(library.rand.suggest, domain, trials, rng, max_evals=-1, verbose=False)  # as in NNI's tuner
        assert (made.domain, made.trials, made.rstate, made.max_evals) == (domain, trials, rng, -1)
    with pytest.raises(InvalidValue, match="workers need a store"):
        FMinIter(rand.suggest, domain, trials, rng, asynchronous=True).run(1)


def test_the_file_of_trials_is_kept_up_to_each_trial(tmp_path: Path) -> None:
    file = tmp_path / "trials.pkl"
    trials = Trials()
    for seen in search(trials, max_evals=3, trials_save_file=file):
        assert cloudpickle.loads(file.read_bytes()).losses() == seen.losses()


# -- users' own algorithms ------------------------------------------------------------------------------------


def test_an_algorithm_of_ones_own_is_given_as_many_ids_as_the_queue_is_long(trials: Trials) -> None:
    asked: list[list[int]] = []

    def own(new_ids: list[int], domain: Any, trials: Any, seed: int) -> Any:
        asked.append(list(new_ids))
        return rand.suggest(new_ids, domain, trials, seed)

    fmin(square, SPACE, algo=own, max_evals=7, max_queue_len=3, trials=trials, rstate=0, verbose=False)
    assert asked == [[0, 1, 2], [3, 4, 5], [6]]
    assert len({tuple(sorted(doc["misc"]["vals"]["x"])) for doc in trials.trials}) == 7
    assert is_sound(trials)


def test_fewer_documents_than_ids_are_all_that_is_queued_and_none_end_the_search() -> None:
    trials = Trials()

    def own(new_ids: list[int], domain: Any, trials: Any, seed: int) -> Any:
        return [] if len(trials) >= 4 else rand.suggest(new_ids[:2], domain, trials, seed)

    fmin(square, SPACE, algo=own, max_evals=9, max_queue_len=3, trials=trials, rstate=0, verbose=False)
    assert (trials.tids, trials.experiment.state.why) == ([0, 1, 2, 3], "exhausted")
    assert is_sound(trials)


def test_more_documents_than_ids_are_refused() -> None:
    def own(new_ids: list[int], domain: Any, trials: Any, seed: int) -> Any:
        return rand.suggest([*new_ids, 9], domain, trials, seed)

    with pytest.raises(InvalidValue, match="own returned 2 documents for 1 new id"):
        fmin(square, SPACE, algo=own, max_evals=2, rstate=0, verbose=False)


@pytest.mark.covers("rand.suggest")
@pytest.mark.parametrize("algo", ["rand", "tpe"])
def test_several_ids_get_the_documents_that_hyperopt_gives_them(algo: str) -> None:
    found = []
    for library in (hyperopt, hstore):
        hps = library.hp
        domain = library.Domain(square, [hps.uniform("x", -2, 2), hps.choice("c", [0, hps.quniform("q", 0, 9, 1)])])
        trials = library.Trials()
        docs = getattr(library, algo).suggest([4, 5, 6], domain, trials, 42)
        found.append([(doc["tid"], library.base.SONify(doc["misc"]["vals"])) for doc in docs])
    assert found[0] == found[1]
    assert len(found[1]) == 3


# -- names ----------------------------------------------------------------------------------------------------


@pytest.mark.covers("fmin.fmin_pass_expr_memo_ctrl", "fmin.partial")
def test_partial_keeps_the_mark_of_objectives_that_take_expr_memo_and_ctrl() -> None:
    @hstore.fmin_pass_expr_memo_ctrl
    def scaled(expr: Any, memo: Any, ctrl: Any, scale: float) -> float:
        (value,) = memo.values()
        return float(scale * value**2)

    bound = hstore.partial(scaled, scale=2.0)
    assert bound.fmin_pass_expr_memo_ctrl  # type: ignore[attr-defined]
    trials = Trials()
    fmin(bound, hp.uniform("x", 0, 1), max_evals=2, trials=trials, rstate=0, verbose=False)
    assert trials.losses()[0] == 2 * trials.vals["x"][0] ** 2
    assert not hasattr(hstore.partial(square, a=1), "fmin_pass_expr_memo_ctrl")
    with pytest.raises(TypeError):
        hstore.partial(square, 1)  # type: ignore[call-arg]


@pytest.mark.covers("fmin.space_eval", "fmin.fmin")
def test_a_space_can_be_the_annotations_of_the_objective() -> None:
    def annotated(x: hp.uniform("x", -5, 5), n: hp.randint("n", 4)) -> float:  # type: ignore[valid-type]
        return (x - 1) ** 2 + n  # type: ignore[no-any-return]

    def theirs(x: hyperopt.hp.uniform("x", -5, 5), n: hyperopt.hp.randint("n", 4)):  # type: ignore[valid-type,no-untyped-def]
        return (x - 1) ** 2 + n

    quiet: dict[str, Any] = {"max_evals": 30, "verbose": False}
    best = fmin(annotated, "annotated", algo=tpe.suggest, rstate=np.random.default_rng(0), **quiet)
    quiet |= {"show_progressbar": False, "rstate": np.random.default_rng(0)}
    expected = hyperopt.fmin(theirs, "annotated", algo=hyperopt.tpe.suggest, **quiet)
    assert best == expected
    point = fmin(annotated, "annotated", max_evals=2, rstate=0, verbose=False, return_argmin=False)
    assert set(point) == {"x", "n"}


@pytest.mark.covers("exceptions.InvalidAnnotatedParameter")
def test_an_annotation_that_is_no_hyperparameter_is_named() -> None:
    def wrong(x: int) -> float:
        return x

    with pytest.raises(InvalidAnnotatedParameter, match="x: <class 'int'> is no hyperparameter") as caught:
        fmin(wrong, "annotated", max_evals=1, verbose=False)
    assert caught.value.result is int
    assert isinstance(caught.value, (ValueError, BadSearchSpace))


@pytest.mark.covers("base.Trials.fmin")
def test_the_method_takes_its_arguments_in_hyperopts_order() -> None:
    best = []
    for library in (hyperopt, hstore):
        trials, hps = library.Trials(), library.hp
        space, rng = {"x": hps.uniform("x", -2, 2)}, np.random.default_rng(3)
        arguments = (4, None, 100.0, 1, rng, False, None, False, True, False)
        best.append(trials.fmin(square, space, library.rand.suggest, *arguments))
        assert len(trials) == 1  # the loss threshold
    assert best[0] == best[1]


@pytest.mark.covers(
    "exceptions.BadSearchSpace", "exceptions.DuplicateLabel", "exceptions.InvalidTrial", "exceptions.InvalidLoss",
    "exceptions.InvalidResultStatus", "exceptions.AllTrialsFailed", "exceptions.InvalidAnnotatedParameter",
)  # fmt: skip
def test_clauses_that_were_written_for_hyperopts_exceptions_catch_ours() -> None:
    for name in (name for name in dir(hyperopt.exceptions) if name[0].isupper()):
        theirs, ours = getattr(hyperopt.exceptions, name), getattr(hstore.exceptions, name)
        bases = [kind.__name__ for kind in theirs.__mro__]
        assert set(bases) <= {kind.__name__ for kind in ours.__mro__}
        if name == "InvalidTrial":
            assert str(ours("no", {"a": 1})) == str(theirs("no", {"a": 1}))
            assert ours("no", 3).obj == theirs("no", 3).obj == 3
        elif issubclass(theirs, ValueError):
            assert ours({"loss": None}).result == theirs({"loss": None}).result == {"loss": None}
        else:
            assert str(ours("label")) == str(theirs("label"))
            assert isinstance(ours(), ours)
    for name in ("AllTrialsFailed", "DuplicateLabel", "InvalidTrial", "InvalidLoss", "InvalidResultStatus"):
        assert getattr(base, name) is getattr(hstore.exceptions, name)
        again = cloudpickle.loads(cloudpickle.dumps(getattr(base, name)("said")))
        assert str(again) == str(getattr(base, name)("said"))


@pytest.mark.covers("fmin.fmin")
def test_names_of_hyperopts_modules_are_here() -> None:
    own = {"base", "exceptions", "fmin", "functools", "inspect", "logger", "logging", "np", "os", "pickler", "progress"}
    own |= {"pyll", "sys", "time", "timer", "tpe", "coarse_utcnow"}  # what it imports
    assert {name for name in dir(their_fmin) if name[0] != "_"} - own <= set(face.__all__)
    inner = {"ObjectId", "bson", "datetime", "have_bson", "logger", "logging", "np", "numbers", "pyll", "sys"}
    inner |= {"VectorizeHelper", "recursive_set_rng_kwarg", "use_obj_for_literal_in_memo"}
    assert {name for name in dir(hyperopt.base) if name[0] != "_"} - inner <= set(base.__all__)
    assert math.isnan(hstore.Domain(square, SPACE).loss({"loss": math.nan}))  # type: ignore[arg-type]
