"""Trials and what documents are made of: the same calls on hyperopt's and on ours give the same."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hstore

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt
    import hyperopt.fmin

BOTH = (hyperopt, hstore)


def searched(library: Any, max_evals: int = 12, objective: Any = None) -> Any:
    """Trials of a search of *library*."""
    hp = library.hp
    space = {"x": hp.uniform("x", -2, 2), "n": hp.uniformint("n", 1, 5), "c": hp.choice("c", [1, hp.normal("y", 0, 1)])}
    trials = library.Trials()
    library.fmin(
        objective or (lambda config: config["x"] ** 2), space, algo=library.rand.suggest, max_evals=max_evals,
        trials=trials, rstate=np.random.default_rng(5), verbose=False, show_progressbar=False,
    )  # fmt: skip
    return trials


def same(ask: Callable[[Any, Any], Any]) -> Any:
    """Return what *ask(library, trials)* returns for both libraries, which is the same."""
    theirs, ours = (ask(library, searched(library)) for library in BOTH)
    assert ours == theirs
    return ours


@pytest.mark.covers(
    "base.Trials", "base.Trials.asynchronous",
    "base.Trials.tids", "base.Trials.specs", "base.Trials.results", "base.Trials.miscs", "base.Trials.idxs",
    "base.Trials.vals", "base.Trials.idxs_vals", "base.Trials.losses", "base.Trials.statuses", "base.Trials.argmin",
    "base.Trials.__len__", "base.Trials.__iter__", "base.Trials.trials",
)  # fmt: skip
def test_views_of_a_search_are_the_same() -> None:
    for name in ("tids", "specs", "results", "miscs", "idxs", "vals", "idxs_vals", "argmin"):
        same(lambda _, trials, name=name: getattr(trials, name))  # type: ignore[misc]
    same(
        lambda _, trials: (
            trials.asynchronous,
            trials.losses(),
            trials.statuses(),
            len(trials),
            [doc["tid"] for doc in trials],
        )
    )
    same(lambda _, trials: trials.trials[3]["result"] | {"type": type(trials.trials[3]["misc"]["vals"]["n"][0])})
    for empty in (library.Trials() for library in BOTH):
        with pytest.raises(ValueError, match="cannot infer keys"):
            _ = empty.vals


@pytest.mark.covers("base.Trials.count_by_state_synced", "base.Trials.count_by_state_unsynced")
def test_states_are_counted_alike() -> None:
    for states in (2, [0, 2], {1}, (2, 3)):
        same(lambda _, trials, states=states: trials.count_by_state_synced(states))  # type: ignore[misc]
        same(lambda _, trials, states=states: trials.count_by_state_unsynced(states))  # type: ignore[misc]
    same(lambda _, trials: trials.count_by_state_synced(2, trials.trials[:3]))
    for wrong in (7, [7], None, "a"):
        with pytest.raises(TypeError, match="not a job state"):
            hstore.Trials().count_by_state_synced(wrong)  # type: ignore[arg-type]


@pytest.mark.covers("base.Trials.view")
def test_a_view_shows_the_same_documents() -> None:
    for library in BOTH:
        trials = searched(library, 3)
        view = trials.view()
        assert [a is b for a, b in zip(view.trials, trials.trials, strict=True)] == [True] * 3
        assert trials.view(exp_key="another").trials == []
        assert view.new_trial_ids(1) == [3]
        assert trials.new_trial_ids(1) == [4]
        view.attachments["a"] = "text"
        assert trials.attachments["a"] == "text"


@pytest.mark.covers("base.Trials.aname", "base.Trials.attachments", "base.Trials.trial_attachments")
def test_attachments_are_what_was_attached() -> None:
    model = object()
    for library in BOTH:
        trials = searched(library, 2)
        doc = trials.trials[1]
        beside = trials.trial_attachments(doc)
        beside["model"], beside["text"] = model, "text"
        assert (beside["model"], beside["text"]) == (model, "text")
        assert "model" in beside
        name = trials.aname(doc, "model")
        assert name == "ATTACH::1::model"
        assert trials.attachments[name] is model
        del beside["model"]
        assert name not in trials.attachments
        trials.attachments["all"] = [1, 2]
        assert trials.attachments["all"] == [1, 2]
        with pytest.raises(KeyError):
            beside["model"]


def test_attachments_are_mappings_in_memory_and_in_mongo(trials: hstore.Trials) -> None:
    hstore.fmin(lambda x: x, hstore.hp.uniform("x", 0, 1), max_evals=1, trials=trials, verbose=False)
    for attachments in (trials.trial_attachments(trials.trials[0]), trials.attachments):
        attachments["a"] = b"1"
        attachments["b"] = b"2"
        del attachments["a"]
        assert (dict(attachments), len(attachments), list(attachments.keys())) == ({"b": b"2"}, 1, ["b"])
    trials.attachments["ATTACH::0::c"] = b"3"
    assert trials.trial_attachments(trials.trials[0])["c"] == b"3"
    del trials.attachments["ATTACH::0::c"]
    assert "ATTACH::0::c" not in trials.attachments


@pytest.mark.covers("base.Trials.average_best_error", "utils.pmin_sampled")
@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_average_best_error_has_the_same_numbers(n: int, noise: float) -> None:
    rng = np.random.default_rng(n)
    results = [
        {
            "status": "ok",
            "loss": float(loss),
            "true_loss": float(loss) + 1,
            "loss_variance": noise * float(rng.random()),
        }
        for loss in rng.normal(size=n)
    ]
    messages = []
    for library in BOTH:
        left = iter(results)
        trials = searched(library, n, lambda _, left=left: dict(next(left)))
        messages.append(trials.average_best_error())
    assert messages[0] == messages[1]


@pytest.mark.covers("base.Trials.average_best_error")
def test_the_average_best_error_without_losses_or_with_strange_ones() -> None:
    for library in BOTH:
        with pytest.raises(ValueError, match="Empty loss vector"):
            library.Trials().average_best_error()
    losses = iter([math.nan, 2.0])
    trials = searched(hstore, 2, lambda _: next(losses))
    assert trials.average_best_error() == 2.0
    domain = hstore.Domain(lambda x: x, hstore.hp.uniform("x", 0, 1))
    with pytest.raises(ValueError, match="nan"):
        trials.average_best_error(domain)
    assert trials.losses(domain)[1] == 2.0
    assert trials.statuses(domain) == ["ok", "ok"]


@pytest.mark.covers("base.Trials.best_trial")
def test_the_best_is_the_first_of_the_smallest_that_is_ok() -> None:
    ends: list[Any] = [
        {"status": "fail", "loss": -5.0}, math.nan, math.inf, 1.0, {"status": "ok", "loss": 1.0}, 2.0,
    ]  # fmt: skip
    for library in BOTH:
        left = iter(ends)
        assert searched(library, len(ends), lambda _, left=left: next(left)).best_trial["tid"] == 3
        with pytest.raises(library.base.AllTrialsFailed):
            _ = library.Trials().best_trial


@pytest.mark.covers("base.Trials.__getitem__")
def test_trials_can_be_indexed() -> None:
    trials = searched(hstore, 3)
    assert trials[1] is trials.trials[1]
    with pytest.raises(NotImplementedError):  # hyperopt only says so
        searched(hyperopt, 3)[1]


@pytest.mark.covers("base.Trials.new_trial_docs", "fmin.generate_trial", "fmin.generate_trials_to_calculate")
def test_documents_to_be_are_the_same() -> None:
    same(lambda _, trials: trials.new_trial_docs([5], [None], [{"status": "new"}], [{"tid": 5}]))
    theirs, ours = hyperopt.fmin, hstore
    import importlib

    face, other = importlib.import_module("hstore.fmin"), importlib.import_module("hyperopt.fmin")
    assert theirs is not ours
    assert face.generate_trial(3, {"x": 1, "c": 0}) == other.generate_trial(3, {"x": 1, "c": 0})
    made = face.generate_trials_to_calculate([{"x": 1}, {"x": 2}])
    expected = other.generate_trials_to_calculate([{"x": 1}, {"x": 2}])
    assert [{k: v for k, v in doc.items() if k != "params"} for doc in made._dynamic_trials] == expected._dynamic_trials
    assert (len(made), len(expected)) == (0, 0)


@pytest.mark.covers("base.SONify")
@pytest.mark.parametrize(
    "value",
    [
        np.float32(1.5), np.int8(3), (1, np.float64(2)), [np.arange(3)], np.array(4.0), np.array([[1, 2], [3, 4]]),
        {np.int64(3): 1}, {"x": (1, [np.float32(0.5)])}, True, None, b"x", np.array(["a"]), 2**70,
    ],
)  # fmt: skip
def test_sonify_makes_the_same_plain_values(value: Any) -> None:
    theirs, ours = hyperopt.base.SONify(value), hstore.base.SONify(value)
    assert repr(ours) == repr(theirs)
    assert hstore.base.SONify(np.bool_(True)) is True  # which hyperopt refuses


@pytest.mark.covers("base.SONify")
@pytest.mark.parametrize("value", [object(), {"a": {"b": object()}}, [object()], {1, 2}, 1j, np.int64])
def test_sonify_refuses_the_same(value: Any) -> None:
    for library in BOTH:
        with pytest.raises(TypeError, match="SONify"):
            library.base.SONify(value)


@pytest.mark.covers("base.miscs_to_idxs_vals", "base.miscs_update_idxs_vals", "base.spec_from_misc")
def test_parts_of_miscs_are_taken_and_put_alike() -> None:
    for keys in (None, ["x"], ["y", "n"]):
        same(lambda library, trials, keys=keys: library.base.miscs_to_idxs_vals(trials.miscs, keys))  # type: ignore[misc]
    same(lambda library, trials: [library.base.spec_from_misc(misc) for misc in trials.miscs])
    idxs, vals = {"x": [0, 9], "y": [1]}, {"x": [3.0, 5.0], "y": [4.0]}

    def put(library: Any, _: Any) -> Any:
        miscs = [{"tid": 0}, {"tid": 1}]
        with pytest.raises(KeyError):
            library.base.miscs_update_idxs_vals(miscs, idxs, vals)
        library.base.miscs_update_idxs_vals(miscs, idxs, vals, assert_all_vals_used=False)
        more = [{"tid": 7}, {"tid": 9}]
        library.base.miscs_update_idxs_vals(more, {"x": [0]}, {"x": [1.0]}, idxs_map={0: 7})
        return miscs, more

    same(put)
    for library in BOTH:
        with pytest.raises(NotImplementedError, match="multiple values"):
            library.base.spec_from_misc({"vals": {"x": [1, 2]}})


@pytest.mark.covers(
    "base.TRIAL_KEYS", "base.TRIAL_MISC_KEYS", "base.JOB_STATES", "base.JOB_VALID_STATES", "base.STATUS_STRINGS",
    "base.JOB_STATE_NEW", "base.JOB_STATE_RUNNING", "base.JOB_STATE_DONE", "base.JOB_STATE_ERROR",
    "base.JOB_STATE_CANCEL", "base.STATUS_NEW", "base.STATUS_RUNNING", "base.STATUS_SUSPENDED", "base.STATUS_OK",
    "base.STATUS_FAIL",
)  # fmt: skip
def test_constants_are_the_same() -> None:
    names = [name for name in dir(hyperopt.base) if name.isupper()]
    assert len(names) > 12
    for name in names:
        assert getattr(hstore.base, name) == getattr(hyperopt.base, name)
        assert type(getattr(hstore.base, name)) is type(getattr(hyperopt.base, name))


@pytest.mark.covers("base.validate_timeout", "base.validate_loss_threshold")
@pytest.mark.parametrize("wrong", [-1, 0, True, "1"])
def test_limits_are_checked_with_the_same_words(wrong: Any) -> None:
    for validate in ("validate_timeout", "validate_loss_threshold"):
        said = []
        for library in BOTH:
            getattr(library.base, validate)(None)
            getattr(library.base, validate)(1.5)
            try:
                getattr(library.base, validate)(wrong)
                said.append("")
            except Exception as error:  # noqa: BLE001 - hyperopt raises an Exception
                said.append(str(error))
        assert said[0] == said[1]
