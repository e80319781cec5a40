"""hyperopt's documents: the dictionaries that its `Trials` hold, their parts, and what makes one valid. Pure."""

from __future__ import annotations

import datetime as dt
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NewType

import numpy as np

from hstore.engine.evaluation.results import STATUS_NEW
from hstore.store.errors import InvalidTrial
from hstore.store.events import Document, Failed, TrialNumber, happened
from hstore.store.fold import Trial

DocumentTid = NewType("DocumentTid", int)
"""The tid of a document, which the program that inserted it may have chosen; see `numbering`."""

JOB_STATE_NEW = 0
JOB_STATE_RUNNING = 1
JOB_STATE_DONE = 2
JOB_STATE_ERROR = 3
JOB_STATE_CANCEL = 4
JOB_STATES = [JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_CANCEL]
JOB_VALID_STATES = {JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE}
TRIAL_KEYS = ["tid", "spec", "result", "misc", "state", "owner", "book_time", "refresh_time", "exp_key"]
TRIAL_MISC_KEYS = ["tid", "cmd", "idxs", "vals"]
CMD = ("domain_attachment", "FMinIter_Domain")
"""hyperopt's `misc.cmd`: how its workers come by the objective."""


@dataclass
class Shape:
    """What documents have beside what hyperopt's have."""

    has_params: bool = True
    """False where hstore goes by hyperopt's name: programs make tables of all that a document has."""


shape = Shape()

STATE_OF = {
    "queued": JOB_STATE_NEW, "reserved": JOB_STATE_RUNNING, "running": JOB_STATE_RUNNING,
    "done": JOB_STATE_DONE, "failed": JOB_STATE_ERROR, "cancelled": JOB_STATE_CANCEL,
}  # fmt: skip
"""hyperopt's state of a job by ours of a trial."""


# -- making them ----------------------------------------------------------------------------------------------


def new_document(
    tid: int, misc: Mapping[str, Any], *, spec: Any = None, result: Any = None, exp_key: str | None = None
) -> Document:
    """Return the document of a trial that has not begun; *misc* and *result* are put in as they are."""
    result = {"status": STATUS_NEW} if result is None else result
    return {
        "state": JOB_STATE_NEW, "tid": tid, "spec": spec, "result": result,
        "misc": misc, "exp_key": exp_key, "owner": None, "version": 0, "book_time": None, "refresh_time": None,
    }  # fmt: skip


def new_misc(tid: int, vals: Mapping[str, Sequence[Any]]) -> Document:
    """Return the `misc` of trial *tid*: *vals* has a list of one raw value by active label, an empty one by others."""
    idxs = {label: [tid] if len(values) else [] for label, values in vals.items()}
    return {"tid": tid, "cmd": CMD, "workdir": None, "idxs": idxs, "vals": dict(vals)}


def tid_of(document: Mapping[str, Any]) -> DocumentTid:
    """Return the tid of *document*."""
    return DocumentTid(document["tid"])


def job_id(document: Mapping[str, Any]) -> tuple[str, TrialNumber] | None:
    """Return the experiment and the trial that the `_id` of a job of `MongoJobs` names; None for other documents."""
    id = document.get("_id")
    if isinstance(id, Mapping) and isinstance(id.get("exp"), str) and isinstance(id.get("tid"), int):
        return id["exp"], TrialNumber(id["tid"])
    return None


def raw_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the raw values of a trial's *document* by active label."""
    return {label: vals[0] for label, vals in document["misc"]["vals"].items() if len(vals)}


def generate_trial(tid: int, space: Mapping[str, Any]) -> Document:
    """Return the document of a trial to come at the point *space*, {label: raw value}."""
    return new_document(tid, new_misc(tid, {label: [value] for label, value in space.items()}))


def name_params(document: Document, params: Mapping[str, Any]) -> None:
    """Put *params* into *document*, unless it has some, or documents are to have hyperopt's keys and no others."""
    if shape.has_params:
        document.setdefault("params", dict(params))


def show_in(document: Document, trial: Trial, kept_as: Callable[[Any], Any] | None = None) -> None:
    """Bring *document* up to *trial*; what a user added to it stays.

    kept_as: makes mappings those of a document in a MongoDB; None in memory. Only such documents name their `owner` and
    change their `version`, as in hyperopt.
    """
    misc = document["misc"]
    name_params(document, trial.params)
    document["state"] = STATE_OF[trial.state]
    if not is_same(document["result"], result := _result(trial)):
        document["result"] = dict(result) if kept_as is None else kept_as(result)
    if isinstance(trial.end, Failed) and trial.state == "failed":
        misc["error"] = (f"<class '{trial.end.error}'>", trial.end.message)
        if trial.end.traceback:
            misc["traceback"] = trial.end.traceback
    else:
        misc.pop("error", None)
        misc.pop("traceback", None)
    if kept_as is not None:
        document["owner"] = [trial.reserved.worker] if trial.reserved else None
        document["version"] = trial.ver
    document["book_time"] = _naive(happened(trial.reserved)) if trial.reserved else None
    document["refresh_time"] = _naive(happened(trial.last))


def _result(trial: Trial) -> Mapping[str, Any]:
    """Return the result of *trial*; while it is evaluated, the partial one that its objective reported last."""
    if trial.result is not None:
        return trial.result
    reported = (report.result for report in reversed(trial.reports) if report.result is not None)
    return (next(reported, None) if trial.state != "queued" else None) or {"status": STATUS_NEW}


def is_same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Return whether two results hold the same; arrays and the like are only compared by what they are."""
    plain = (int, float, str, bool)
    return len(a) == len(b) and all(
        key in b and (value is b[key] or (isinstance(value, plain) and value == b[key])) for key, value in a.items()
    )


def _naive(at: dt.datetime) -> dt.datetime:
    """Return *at* as hyperopt has it: UTC without saying so."""
    return at.replace(tzinfo=None)


def value_of(values: Any) -> Any:
    """Return the value in a list of one, as `misc.vals` has it, or a value that is in no list."""
    return values[0] if isinstance(values, (list, tuple, np.ndarray)) else values


def vals_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the raw value by active label of *document*."""
    vals = document["misc"]["vals"]
    return {label: value_of(v) for label, v in vals.items() if not hasattr(v, "__len__") or len(v)}


# -- checking them --------------------------------------------------------------------------------------------


def check_document(document: Any, exp_key: str | None) -> Any:
    """Return *document* if it is that of a trial of *exp_key*, else raise `InvalidTrial` that says what is wrong."""
    if not (hasattr(document, "keys") and hasattr(document, "values")):
        raise InvalidTrial("trial should be dict-like", document)
    for key in TRIAL_KEYS:
        if key not in document:
            raise InvalidTrial(f"trial missing key {key}", document)
    misc = document["misc"]
    for key in TRIAL_MISC_KEYS:
        if key not in misc:
            raise InvalidTrial(f"trial['misc'] missing key {key}", document)
    tid = document["tid"]
    if tid != misc["tid"]:
        raise InvalidTrial("tid mismatch between root and misc", document)
    if isinstance(tid, bool) or not isinstance(tid, int):
        raise InvalidTrial("the tid of a trial must be an integer", document)
    if document["state"] not in JOB_STATES:
        raise InvalidTrial(f"the state of a trial must be one of {JOB_STATES}", document)
    if not isinstance(document["result"], Mapping):
        raise InvalidTrial("the result of a trial must be a mapping", document)
    for label, values in misc["vals"].items():
        if hasattr(values, "__len__") and not isinstance(values, str) and len(values) > 1:
            raise InvalidTrial(f"trial['misc']['vals'] has more than one value of {label}", document)
    if document["exp_key"] != exp_key:
        raise InvalidTrial(f"wrong exp_key: it should be {exp_key!r}", document)
    return document


_PLAIN = (str, bytes, int, float, bool, type(None), dt.datetime)


def SONify(arg: Any, memo: dict[int, Any] | None = None) -> Any:  # noqa: N802 - hyperopt's name
    """Return a copy of *arg* in plain values: numpy's numbers and arrays become Python's numbers and lists.

    Raises TypeError("SONify", value, …) for what has no such form.
    """
    if isinstance(arg, np.ndarray):
        return SONify(arg.item() if arg.ndim == 0 else list(arg))
    if isinstance(arg, np.bool_):
        return bool(arg)
    if isinstance(arg, numbers.Integral) and not isinstance(arg, bool):
        return int(arg)
    if isinstance(arg, np.floating):
        return float(arg)
    if isinstance(arg, _PLAIN) or type(arg).__name__ == "ObjectId":
        return arg
    try:
        if isinstance(arg, (list, tuple)):
            return type(arg)([SONify(item) for item in arg])
        if isinstance(arg, Mapping):
            return {SONify(key): SONify(value) for key, value in arg.items()}
    except TypeError as error:
        raise TypeError(*error.args, arg if isinstance(arg, (list, tuple)) else "…") from None
    raise TypeError("SONify", arg)


# -- points in them -------------------------------------------------------------------------------------------

ByLabel = dict[str, list[Any]]


def miscs_to_idxs_vals(
    miscs: Sequence[Mapping[str, Any]], keys: Iterable[str] | None = None
) -> tuple[ByLabel, ByLabel]:
    """Return by label the tids in which it is active, and its raw values there; *keys*: which labels.

    Raises ValueError if there are neither *keys* nor *miscs* to have them from.
    """
    if keys is None:
        if not miscs:
            raise ValueError("cannot infer keys from empty miscs: there are no trials yet, so there are no labels")
        keys = miscs[0]["idxs"].keys()
    idxs: ByLabel = {label: [] for label in keys}
    vals: ByLabel = {label: [] for label in idxs}
    for misc in miscs:
        for label in idxs:
            idxs[label].extend(misc["idxs"].get(label, ()))
            vals[label].extend(misc["vals"].get(label, ()))
    return idxs, vals


def miscs_update_idxs_vals(
    miscs: Sequence[dict[str, Any]],
    idxs: Mapping[str, Sequence[int]],
    vals: Mapping[str, Sequence[Any]],
    assert_all_vals_used: bool = True,
    idxs_map: Mapping[int, int] | None = None,
) -> Sequence[dict[str, Any]]:
    """Put into each of *miscs*, matched by their tids, its own part of *idxs* and *vals*; return them.

    idxs_map: the tid in *miscs* by that in *idxs*, where they differ. Raises KeyError for a tid that is in none of
    *miscs*, unless *assert_all_vals_used* is False.
    """
    renamed = idxs_map or {}
    by_tid = {misc["tid"]: misc for misc in miscs}
    for misc in miscs:
        misc["idxs"] = {label: [] for label in idxs}
        misc["vals"] = {label: [] for label in idxs}
    for label, tids in idxs.items():
        for tid, value in zip(tids, vals[label], strict=True):
            known = renamed.get(tid, tid)
            if assert_all_vals_used or known in by_tid:
                by_tid[known]["idxs"][label] = [known]
                by_tid[known]["vals"][label] = [value]
    return miscs


def spec_from_misc(misc: Mapping[str, Any]) -> dict[str, Any]:
    """Return the raw value by active label of *misc*; raises NotImplementedError for several of one label."""
    spec = {}
    for label, values in misc["vals"].items():
        if len(values) > 1:
            raise NotImplementedError("multiple values", (label, values))
        if len(values):
            spec[label] = values[0]
    return spec
