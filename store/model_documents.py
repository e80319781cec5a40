"""The documents of the read models: what `trials` and `experiments` say of a trial and of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import bson

from hstore.store.events import CODEC, Cancelled, Document, Done, Failed, happened
from hstore.store.fold import UNREADABLE, Trial
from hstore.store.state import State
from hstore.store.values import as_loss

if TYPE_CHECKING:
    from hstore.store.experiment_summary import ExperimentSummary

RESULT_BYTES = 16 * 1024
"""A result that takes more is left out of `trials`; the log has it."""
PARAMS_BYTES = 1024 * 1024
"""Of values that take more together, `trials` shows the beginnings of long ones: MongoDB takes 16 MB a document."""
SHOWN_CHARACTERS = 1000
LONGEST_FRONT = 200
"""Trials of a Pareto front that `experiments` shows."""

TRIAL_FIELDS = frozenset(
    {
        "exp", "tid", "ver", "state", "params", "point", "source", "algorithm", "attempt", "loss", "loss_kind",
        "status", "result", "worker", "host", "error", "final", "message", "duration", "queued_at",
        "started_at", "ended_at", "tags", "void", "amended", "pruned", "losses", "constraints",
    }
)  # fmt: skip
EXPERIMENT_FIELDS = frozenset(
    {
        "status", "why", "counts", "trials", "best", "created_at", "last", "ver", "events", "algorithm", "limits",
        "pruner", "pruned", "pareto", "title", "archived",
    }
)  # fmt: skip


def trial_document(trial: Trial) -> Document:
    """Return the document of *trial* in `trials`; what does not apply is left out."""
    queued, reserved, running, end, exp = trial.queued, trial.reserved, trial.running, trial.end, trial.last.exp
    done = end if isinstance(end, Done) else None
    failed = end if isinstance(end, Failed) else None
    loss, loss_kind = as_loss(trial.loss)
    document: Document = {
        "_id": {"exp": exp, "tid": trial.tid},
        "exp": exp,
        "tid": trial.tid,
        "ver": trial.ver,
        "state": UNREADABLE if trial.closed_by is not None and not trial.is_finished else trial.state,
        "params": shown_params(trial.params),
        "point": dict(trial.point),
        "source": queued.source if queued else None,
        "algorithm": queued.algorithm.get("name") if queued and queued.algorithm else None,
        "attempt": trial.attempt,
        "loss": loss,
        "loss_kind": loss_kind,
        "status": done.status if done else None,
        "result": _small(done.result) if done else None,
        "worker": reserved.worker if reserved else None,
        "host": reserved.host if reserved else None,
        "error": failed.error if failed else None,
        "final": failed.final if failed else None,
        "message": failed.message if failed else end.why if isinstance(end, Cancelled) else None,
        "duration": trial.duration,
        "queued_at": queued.at if queued else None,
        "started_at": happened(running) if running else None,
        "ended_at": happened(end) if end else None,
        "tags": list(trial.tags) or None if trial.notes else None,
        "void": trial.is_void or None,
        "amended": trial.returned is not None or None,
        "pruned": trial.is_pruned or None,
        "losses": done.losses if done else None,
        "constraints": done.constraints if done else None,
    }
    return {name: value for name, value in document.items() if value is not None}


def shown_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return *params* as read models have them: long values, of which only the log has room for many, are cut."""
    if sum(map(_size, params.values())) <= PARAMS_BYTES:
        return dict(params)
    return {label: _beginning(value) if _size(value) > SHOWN_CHARACTERS else value for label, value in params.items()}


def _size(value: Any) -> int:
    """Return about how many bytes *value* takes."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(name) + _size(part) for name, part in value.items())
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 8


def _beginning(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return f"{text[:SHOWN_CHARACTERS]}…"


def _small(result: Any) -> Any:
    if result is None:
        return None
    return dict(result) if len(bson.encode({"r": dict(result)}, codec_options=CODEC)) <= RESULT_BYTES else None


def experiment_document(state: State | ExperimentSummary) -> Document:
    """Return the document of the experiment in `experiments`."""
    best, last = state.best, state.last
    document: Document = {
        "_id": state.exp,
        "status": state.status,
        "why": state.why,
        "counts": dict(sorted(state.counts.items())),
        "trials": len(state.trials),
        "best": None,
        "created_at": state.created.at if state.created else None,
        "last": {"at": last.at, "type": last.type} if last else None,
        "ver": state.ver,
        "events": state.events,
        "algorithm": state.algorithm.get("name"),
        "limits": dict(state.limits),
        "pruner": state.pruner.get("name"),
        "pruned": state.pruned or None,
        "title": state.title,
        "archived": state.is_archived or None,
        "pareto": [{"tid": t.tid, "losses": t.losses} for t in state.pareto[:LONGEST_FRONT]] or None,
    }
    if best is not None:
        loss, loss_kind = as_loss(best.loss)
        document["best"] = {"tid": best.tid, "loss_kind": loss_kind, "params": shown_params(best.params)}
        document["best"] |= {} if loss is None else {"loss": loss}
    return {name: value for name, value in document.items() if value is not None}
