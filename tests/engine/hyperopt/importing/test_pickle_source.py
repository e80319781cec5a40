"""Pickled Trials are read without hyperopt, and nothing that is hidden in them is run."""

import datetime as dt
import os
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from hstore.engine.hyperopt.importing.jobs import read_job
from hstore.engine.hyperopt.importing.pickle_source import HyperoptFile
from hstore.engine.hyperopt.importing.source_survey import load_space
from hstore.store.errors import BadSearchSpace, InvalidValue, NotFound

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Trials of a search by hyperopt itself."""

    def objective(config: dict[str, Any]) -> dict[str, Any]:
        if config["x"] > 0.9:
            raise ValueError("too large")
        return {
            "status": "ok", "loss": config["x"], "curve": np.arange(2), "best": np.float64(3),
            "attachments": {"log": b"hi"},
        }  # fmt: skip

    trials = hyperopt.Trials()
    hyperopt.fmin(
        objective, {"x": hyperopt.hp.uniform("x", 0, 1), "k": hyperopt.hp.choice("k", ["a", "b"])},
        algo=hyperopt.rand.suggest, max_evals=12, trials=trials, rstate=np.random.default_rng(0), verbose=False,
        catch_eval_exceptions=True,
    )  # fmt: skip
    return trials


def opened(path: Path, content: bytes) -> HyperoptFile:
    path.write_bytes(content)
    return HyperoptFile(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_gives_the_same_jobs(theirs: Any, protocol: int, tmp_path: Path) -> None:
    source = opened(tmp_path / "t.pkl", pickle.dumps(theirs, protocol=protocol))
    jobs = [read_job(document) for document in source.outlines()]
    assert [job.key for job in jobs] == [(None, tid) for tid in range(len(theirs._dynamic_trials))]
    assert [job.vals["x"] for job in jobs] == [d["misc"]["vals"]["x"][0] for d in theirs._dynamic_trials]
    assert jobs[0].result == {"status": "ok", "loss": jobs[0].vals["x"], "curve": [0, 1], "best": 3.0}
    assert any(job.error == ("ValueError", "too large") for job in jobs)
    assert dict(source.attachments(jobs[0])) == {"log": b"hi"}


def test_a_save_file_of_fmin_and_a_list_of_documents_are_read_as_well(theirs: Any, tmp_path: Path) -> None:
    for content in (cloudpickle.dumps(theirs), pickle.dumps(theirs.trials)):
        assert next(opened(tmp_path / "t.pkl", content).outlines())["tid"] == 0


def test_attachments_of_trial_1_are_not_those_of_trial_11(theirs: Any, tmp_path: Path) -> None:
    theirs.attachments["ATTACH::1::only"] = "text"
    source = opened(tmp_path / "t.pkl", pickle.dumps(theirs))
    jobs = {job.key[1]: job for job in map(read_job, source.outlines())}
    assert dict(source.attachments(jobs[1])) == {"log": b"hi", "only": b"text"}
    assert dict(source.attachments(jobs[11])) == {"log": b"hi"}
    assert dict(source.shared(None)) == {}


class Attack:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize(
    ("hidden", "name"),
    [
        (Attack(), "posix.mkdir"),
        (eval, "builtins.eval"),
        (Path("x"), "pathlib.PosixPath"),
        (np.random.default_rng(0), "numpy.random._pickle"),
        (np.array([Attack()], dtype=object), "posix.mkdir"),
        (hyperopt.Domain, "hyperopt.base.Domain"),
    ],
)
def test_whatever_is_neither_hyperopts_nor_plain_is_named_and_not_read(
    hidden: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    documents = [{"tid": 0, "state": 2, "misc": {"vals": {}}, "result": {"status": "ok", "loss": 1.0, "model": hidden}}]
    for protocol in (0, 2, 5):
        messages.clear()
        (tmp_path / "t.pkl").write_bytes(pickle.dumps(documents, protocol=protocol))
        (document,) = HyperoptFile(tmp_path / "t.pkl").outlines()
        assert name in messages[0]
        job = read_job(document, messages.append)
        assert job.result["loss"] == 1.0
        assert "result.model" in messages[1]
        assert name in str(job.result["model"])
    assert os.listdir() == ["t.pkl"]


class MyTrials(hyperopt.Trials):  # type: ignore[misc]
    """Trials of a kind of the user's own."""


class MyList(list):  # type: ignore[type-arg]
    """A container of the user's own."""


def test_trials_of_somebodys_own_kind_and_what_they_hold_of_his_are_read_without_his_code(
    tmp_path: Path, messages: list[str]
) -> None:
    documents: Any = MyTrials().new_trial_docs(
        [0], [None], [{"status": "ok", "loss": 1.0, "mine": MyList([1]), "more": {Path("x"), MyList}}],
        [{"tid": 0, "cmd": None, "idxs": {"x": [0]}, "vals": {"x": [0.5]}}],
    )  # fmt: skip
    trials = MyTrials()
    trials._dynamic_trials = documents
    for protocol in (0, 2, 5):
        messages.clear()
        (tmp_path / "t.pkl").write_bytes(pickle.dumps(trials, protocol=protocol))
        (document,) = HyperoptFile(tmp_path / "t.pkl").outlines()
        assert document["misc"]["vals"] == {"x": [0.5]}
        for kind in (f"{__name__}.MyList", f"{__name__}.MyTrials", "pathlib.PosixPath"):
            assert kind in messages[0]


def test_plain_values_of_all_kinds_come_through(tmp_path: Path) -> None:
    values = [{1}, frozenset({2}), bytearray(b"b"), 1j, dt.datetime(2020, 1, 1), np.int8(3), np.bool_(True), np.ones(2)]
    for protocol in (0, 2, 5):
        (found,) = opened(tmp_path / "t.pkl", pickle.dumps([{"v": values}], protocol=protocol)).outlines()
        assert str(found["v"]) == str(values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no pickle that can be read: EOFError"),
        (b"not a pickle", "is no pickle that can be read"),
        (pickle.dumps([{"tid": 0}])[:-5], "is no pickle that can be read"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", "is no pickle that can be read"),
        (pickle.dumps({"tid": 0}), "holds a dict, not hyperopt's Trials"),
        (pickle.dumps([1, 2]), "holds a list, not hyperopt's Trials"),
    ],
)
def test_a_file_that_holds_no_trials_is_refused_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=message):
        opened(tmp_path / "t.pkl", content)


def test_a_file_that_is_not_there_or_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no file .*nothing.pkl"):
        HyperoptFile(tmp_path / "nothing.pkl")
    with pytest.raises(InvalidValue, match="cannot be read: Is a directory"):
        HyperoptFile(tmp_path)


def test_a_space_that_was_made_with_hyperopts_hp_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.py").write_text("import hyperopt\nSPACE = {'x': [hyperopt.hp.uniform('x', 0, 1)]}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadSearchSpace, match="was made with hyperopt's hp"):
        load_space("theirs:SPACE")


def test_so_is_one_whose_module_imports_a_hyperopt_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "without_them.py").write_text("from hyperopt import hp\nSPACE = {'x': hp.uniform('x', 0, 1)}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "hyperopt", None)
    with pytest.raises(BadSearchSpace, match="was made with hyperopt's hp") as caught:
        load_space("without_them:SPACE")
    assert "python -m hstore.compat -m hstore import" in caught.value.hint
