"""Domain and Ctrl: what an objective is called with, what becomes of what it returns, and of what it tells."""

import warnings
from typing import Any

import pytest

import hstore
from hstore import Ctrl, Domain, Trials, base, fmin, hp, rand, space_eval
from hstore.exceptions import InvalidLoss, InvalidResultStatus
from hstore.store.errors import InvalidResult, InvalidValue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt

BOTH = (hyperopt, hstore)
POINT = {"x": 0.5, "c": 1, "y": 0.25}


def space(library: Any) -> Any:
    hps = library.hp
    return {"x": hps.uniform("x", -1, 1), "c": hps.choice("c", ["a", {"deep": hps.normal("y", 0, 1)}])}


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


def inserted(library: Any, state: int = 1) -> tuple[Any, Any]:
    """Trials with one trial that is being evaluated, and its document."""
    trials, domain = library.Trials(), library.Domain(square, space(library))
    docs = library.rand.suggest(trials.new_trial_ids(1), domain, trials, 0)
    docs[0]["state"] = state
    trials.insert_trial_docs(docs)
    trials.refresh()
    return trials, trials.trials[0]


# -- Domain ---------------------------------------------------------------------------------------------------


@pytest.mark.covers(
    "base.Domain", "base.Domain.rec_eval_print_node_on_error",
    "base.Domain.evaluate", "base.Domain.evaluate_async", "base.Domain.evaluate_async2",
    "base.Domain.new_result", "base.Domain.loss", "base.Domain.loss_variance", "base.Domain.true_loss",
    "base.Domain.status", "base.Domain.short_str", "base.Domain.true_loss_variance",
)  # fmt: skip
def test_a_domain_evaluates_and_reads_results_as_hyperopts_does() -> None:
    seen: list[Any] = []

    def objective(config: Any) -> dict[str, Any]:
        seen.append(config)
        return {"status": "ok", "loss": config["x"] ** 2, "more": 1, "attachments": {"a": b"1"}}

    messages = []
    for library in BOTH:
        domain = library.Domain(objective, space(library), workdir="here", name="named", loss_target=0.1)
        trials, doc = inserted(library)
        ctrl = library.Ctrl(trials, doc)
        whole = domain.evaluate(POINT, ctrl)
        assert trials.trial_attachments(doc)["a"] == b"1"
        with_attachments = domain.evaluate(POINT, ctrl, attach_attachments=False)
        fn, config = domain.evaluate_async(POINT, ctrl)
        messages.append([
            whole, with_attachments, domain.evaluate_async2(fn(config), ctrl), domain.new_result(), domain.short_str(),
            domain.loss(whole), domain.loss_variance(whole), domain.true_loss(whole), domain.status(whole),
            domain.loss({}), domain.loss_variance({"loss_variance": 2.0}),
            domain.true_loss({"loss": 1, "true_loss": 2}),
            sorted(domain.params), domain.workdir, domain.name, domain.loss_target, domain.pass_expr_memo_ctrl,
            domain.cmd, domain.rec_eval_print_node_on_error,
        ])  # fmt: skip
        with pytest.raises(NotImplementedError):
            domain.true_loss_variance()
    assert messages[0] == messages[1]
    assert seen == [{"x": 0.5, "c": {"deep": 0.25}}] * 6


@pytest.mark.covers("base.Domain.memo_from_config")
def test_a_memo_gives_values_to_the_nodes_of_active_labels() -> None:
    domain = Domain(square, space(hstore))
    memo = domain.memo_from_config({"x": 0.5, "c": 0})
    assert sorted(memo.values()) == [0, 0.5]
    assert domain.space.evaluate({"x": 0.5, "c": 0}) == {"x": 0.5, "c": "a"}
    assert (domain.params["x"].name, domain.params["c"].name) == ("uniform", "randint")
    with pytest.raises(hstore.errors.BadSearchSpace, match="y: is active"):
        space_eval(domain.expr, {"x": 0.5, "c": 1})
    assert Domain(square, domain.space).space is domain.space


@pytest.mark.covers("exceptions.InvalidLoss", "exceptions.InvalidResultStatus")
@pytest.mark.parametrize(
    ("returned", "error", "said"),
    [
        ({"status": "ok", "loss": None}, InvalidLoss, "trial 2: the loss is None"),
        ({"status": "ok", "loss": "high"}, InvalidLoss, "trial 2: the loss is 'high'"),
        ({"status": "fine"}, InvalidResultStatus, "trial 2: the result's status is 'fine'"),
        (None, InvalidResult, "trial 2: the objective returned None"),
    ],
)
def test_complaint_empty_messages_of_invalid_results(returned: Any, error: type[InvalidResult], said: str) -> None:
    trials = Trials()

    def objective(config: Any) -> Any:
        return returned if len(trials.experiment.trials) == 3 else 1.0

    with pytest.raises(error, match=said) as caught:
        fmin(objective, space(hstore), max_evals=5, trials=trials, rstate=0, verbose=False)
    assert caught.value.result == returned
    assert isinstance(caught.value, ValueError)
    trials.refresh()
    assert said in trials.errors[0]["misc"]["error"][1]


# -- Ctrl -----------------------------------------------------------------------------------------------------


@pytest.mark.covers("base.Ctrl", "base.Ctrl.attachments", "base.Ctrl.checkpoint")
def test_a_ctrl_that_a_program_makes_speaks_for_its_trial() -> None:
    for library in BOTH:
        trials, doc = inserted(library)
        ctrl = library.Ctrl(trials, current_trial=doc)
        assert (ctrl.trials, ctrl.current_trial) == (trials, doc)
        ctrl.attachments["a"] = b"1"
        assert trials.trial_attachments(doc)["a"] == b"1"
        ctrl.checkpoint({"status": "ok", "loss": 7.0})
        ctrl.checkpoint()
        trials.refresh()
        assert trials.losses() == [7.0]
    assert [event.type for event in trials.experiment.chain(0)][-2:] == ["reported", "reported"]
    alone = Ctrl()
    assert len(alone.trials) == 0
    with pytest.raises(InvalidValue, match="no trial"):
        alone.attachments["a"] = b"1"


@pytest.mark.covers("base.Ctrl.info", "base.Ctrl.warn", "base.Ctrl.error", "base.Ctrl.debug")
def test_what_a_ctrl_is_told_goes_to_a_logger(logged: Any) -> None:
    ctrl = Ctrl()
    ctrl.info("a %s", 1)
    ctrl.warn("b")
    ctrl.error("c")
    ctrl.debug("d")
    assert [record.levelname for record in logged.records] == ["INFO", "WARNING", "ERROR", "DEBUG"]
    assert logged.messages[0] == "a 1"
    assert {record.name for record in logged.records} == {"hstore.objective"}


@pytest.mark.covers("base.Ctrl.checkpoint", "base.Ctrl.attachments")
def test_the_ctrl_of_an_evaluation_knows_its_document(trials: Trials) -> None:
    @hstore.fmin_pass_expr_memo_ctrl
    def objective(expr: Any, memo: Any, ctrl: Any) -> dict[str, Any]:
        ctrl.checkpoint({"status": "ok", "loss": 9.0})
        ctrl.attachments["log"] = b"text"
        doc = ctrl.current_trial
        assert (doc["tid"], doc["result"]["loss"], doc["state"]) == (ctrl.tid, 9.0, base.JOB_STATE_RUNNING)
        return {"status": "ok", "loss": 1.0}

    fmin(objective, space(hstore), max_evals=2, trials=trials, rstate=0, verbose=False)
    assert trials.losses() == [1.0, 1.0]
    assert trials.trial_attachments(trials.trials[1])["log"] == b"text"


@pytest.mark.covers("base.Ctrl.inject_results")
def test_results_that_an_objective_brings_say_which_trial_they_came_from(trials: Trials) -> None:
    @hstore.fmin_pass_expr_memo_ctrl
    def objective(expr: Any, memo: Any, ctrl: Any) -> float:
        if ctrl.tid == 0:
            misc = {"idxs": {}, "vals": {"x": [0.25], "c": [0], "y": []}}
            assert ctrl.inject_results([None], [{"status": "ok", "loss": -1.0}], [misc]) == [1]
        return 1.0

    fmin(objective, space(hstore), max_evals=3, trials=trials, rstate=0, verbose=False)
    assert trials.losses() == [1.0, -1.0, 1.0]
    assert trials.trials[1]["misc"]["from_tid"] == 0
    assert trials.argmin == {"x": 0.25, "c": 0}


@pytest.mark.covers("base.Ctrl.inject_results")
def test_a_program_injects_results_before_there_is_a_space() -> None:
    found = []
    for library in BOTH:
        trials = library.Trials()
        misc = {"tid": 0, "cmd": None, "idxs": {"x": [0]}, "vals": {"x": [0.5]}}
        docs = trials.new_trial_docs(trials.new_trial_ids(1), [None], [{"status": "ok", "loss": 1.0}], [misc])
        docs[0]["state"] = base.JOB_STATE_DONE
        trials.insert_trial_docs(docs)
        trials.refresh()
        ctrl = library.Ctrl(trials, trials.trials[0])
        new = {"idxs": {"x": [1]}, "vals": {"x": [0.25]}, "tid": 1}
        found.append(list(ctrl.inject_results([None], [{"status": "ok", "loss": 0.0}], [new], new_tids=[1])))
        trials.refresh()
        assert trials.losses() == [1.0, 0.0]
        assert trials.trials[1]["misc"]["from_tid"] == 0
    assert found[0] == found[1] == [1]


@pytest.mark.covers("base.Domain.pyll_ctrl")
def test_a_space_that_holds_the_class_is_given_the_ctrl() -> None:
    domain = Domain(lambda config: config["ctrl"].tid or 0.0, {"x": hp.uniform("x", 0, 1), "ctrl": Ctrl})
    trials = Trials()
    fmin(domain.fn, {"x": hp.uniform("x", 0, 1), "ctrl": Ctrl}, rand.suggest, 3, trials=trials, verbose=False)
    assert trials.losses() == [0.0, 1.0, 2.0]
    assert domain.pyll_ctrl.obj is Ctrl  # type: ignore[attr-defined]
