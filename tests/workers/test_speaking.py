"""What objectives say to the log and hear from it through their worker, also when it is too late."""

import time
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until
from tests.workers.hired import Begin, Hire, Objective, cancel
from tests.workers.serving import ran, worker_here

from hstore import Ctrl, hp
from hstore.engine.search.control import pause, stop
from hstore.store.events import Done, Noted, Reported


def patient(folder: Path) -> Objective:
    """Return an objective that tells when it has begun, and returns when it is let."""

    def objective(config: dict[str, Any]) -> float:
        (folder / "begun").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        return 5.0

    return objective


def test_what_returns_after_it_was_cancelled_is_noted_and_stays_cancelled(
    mongo_url: str, begin: Begin, tmp_path: Path, messages: list[str]
) -> None:
    search = begin(mongo_url, patient(tmp_path), 2)
    with worker_here(mongo_url, grace=600.0):
        until((tmp_path / "begun").exists)
        cancel(search, 0)
        until(lambda: any("trial 0 of 'e' was cancelled" in message for message in messages), lambda: messages)
        (tmp_path / "go").touch()
        assert search.until_finished() == {"cancelled": 1, "done": 1}
        (noted,) = search.until(lambda: search.events(Noted, 0))
        assert noted.late["type"] == "done"
        assert noted.late["loss"] == 5.0
    late = "trial 0 of 'e' has ended already (cancelled); its late result (done) is saved as a note"
    assert any(late in message for message in messages)


def test_what_does_not_return_after_it_was_cancelled_is_ended(mongo_url: str, begin: Begin, tmp_path: Path) -> None:
    def objective(config: dict[str, Any]) -> float:
        if not (tmp_path / "begun").exists():
            (tmp_path / "begun").touch()
            time.sleep(3600)
        return 1.0

    search = begin(mongo_url, objective, 2)
    with worker_here(mongo_url, grace=0.1):
        until((tmp_path / "begun").exists)
        cancel(search, 0)
        assert search.until_finished() == {"cancelled": 1, "done": 1}
    assert search.events(Noted, 0) == []


@pytest.mark.parametrize("isolate", ["process", pytest.param("none", marks=pytest.mark.long)])
def test_an_objective_speaks_to_the_log_wherever_it_is_called(
    isolate: str, mongo_url: str, hire: Hire, begin: Begin
) -> None:
    def objective(config: dict[str, Any]) -> dict[str, Any]:
        ctrl = config["ctrl"]
        ctrl.info("tell %s", "tale")
        ctrl.debug("not of interest")
        ctrl.report(0, 3.5)
        ctrl.report(1, 2.5)
        ctrl.checkpoint({"status": "ok", "loss": 9.0, "epoch": 1})
        ctrl.checkpoint()
        attachments = ctrl.attachments
        attachments["model"] = b"weights"
        attachments["text"] = "words"
        attachments["gone"] = bytearray(b"soon")
        del attachments["gone"]
        seen = {"names": sorted(attachments), "model": attachments["model"], "n": len(attachments)}
        try:
            attachments["gone"]
        except KeyError as error:
            seen["missing"] = str(error)
        for name, content in (("bad", 3), (7, b"")):
            try:
                attachments[name] = content
            except ValueError as error:
                seen[f"refused {name}"] = str(error)
        miscs = [{"vals": {"x": [0.25]}}, {"vals": {"x": 0.75}}]
        results = [{"status": "ok", "loss": 100.0}, {"status": "fail"}]
        try:
            ctrl.inject_results([None], [{"status": "odd"}], miscs[:1])
        except ValueError as error:
            seen["odd"] = str(error)
        seen["injected"] = ctrl.inject_results([None, None], results, miscs)
        return {"status": "ok", "loss": 1.0, "seen": seen, "stop": ctrl.should_stop(), "tid": ctrl.tid}

    search = begin(mongo_url, objective, 1, {"x": hp.uniform("x", 0, 1), "ctrl": Ctrl})
    worker = hire(mongo_url, "--isolate", isolate)
    counts = search.until_finished()
    trial = search.experiment.trials[0]
    assert trial.state == "done", search.experiment.chain(0)
    assert isinstance(trial.end, Done)
    result = dict(trial.end.result)
    seen = result.pop("seen")
    assert counts == {"done": 3}
    assert result == {"status": "ok", "loss": 1.0, "stop": False, "tid": 0}
    assert seen.pop("refused bad").startswith("attachment 'bad' must be bytes or text")
    assert seen.pop("refused 7").startswith("attachment 7 must be bytes or text")
    assert seen.pop("odd") == "the result's status is 'odd'"
    assert seen == {
        "names": ["model", "text"], "model": b"weights", "n": 2, "missing": "'gone'", "injected": [1, 2],
    }  # fmt: skip
    assert [(e.step, e.value) for e in search.events(Reported, 0) if e.step is not None] == [
        (0, 3.5), (1, 2.5),
    ]  # fmt: skip
    assert search.reports("result") == [{"status": "ok", "loss": 9.0, "epoch": 1}]
    assert search.attachment(0, "text") == b"words"
    assert [trial.point for trial in search.experiment.trials[1:]] == [{"x": 0.25}, {"x": 0.75}]
    assert worker.stop() == 143
    heard = worker.said + worker.printed
    assert heard.count("INFO: tell tale\n") == 1
    assert "not of interest" not in heard


@pytest.mark.parametrize("act", ["pause", "cancel", pytest.param("stop", marks=pytest.mark.long)])
def test_an_objective_hears_that_it_should_stop(act: str, mongo_url: str, begin: Begin, tmp_path: Path) -> None:
    def objective(config: dict[str, Any]) -> float:
        (tmp_path / "begun").touch()
        steps = 0
        while not config["ctrl"].should_stop():
            steps += 1
        return float(steps)

    search = begin(mongo_url, objective, 1, {"x": hp.uniform("x", 0, 1), "ctrl": Ctrl})
    with worker_here(mongo_url, grace=600.0):
        until((tmp_path / "begun").exists)
        search.experiment.refresh()
        if act == "pause":
            pause(search.experiment, "lunch")
        elif act == "stop":
            stop(search.experiment, "enough")
        else:
            cancel(search, 0)
        if act == "cancel":
            (late,) = search.until(lambda: search.events(Noted, 0))
            assert late.late["type"] == "done"
        else:
            search.until(lambda: search.experiment.state.trials[0].state == "done")
            assert (search.experiment.trials[0].loss or 0) > 0


def test_an_objective_is_handed_expression_memo_and_ctrl_if_it_asks_for_them(mongo_url: str, begin: Begin) -> None:
    def objective(expr: Any, memo: Any, ctrl: Any) -> dict[str, Any]:
        from hstore.engine.space.evaluation import evaluate

        config = evaluate(expr, memo)
        ctrl.report(0, config["x"])
        return {"status": "ok", "loss": config["x"], "same": config["ctrl"] is ctrl}

    objective.fmin_pass_expr_memo_ctrl = True  # type: ignore[attr-defined]
    search = begin(mongo_url, objective, 2, {"x": hp.uniform("x", 0, 1), "ctrl": Ctrl})
    assert ran(mongo_url, "--max-jobs", "2")[0] == 0
    assert search.until_finished() == {"done": 2}
    for trial in search.experiment.trials:
        assert isinstance(trial.end, Done)
        assert trial.end.result["same"] is True
        assert search.reports("value", trial.tid) == [trial.loss] == [trial.point["x"]]
