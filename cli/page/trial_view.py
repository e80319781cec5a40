"""One trial for its page: read from its own chain, whatever the size of the search."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hstore.cli.notes_text import said_in
from hstore.cli.page.trial_rows import shown_state
from hstore.cli.printing import for_json
from hstore.store.attachments import OUTPUT
from hstore.store.errors import HstoreError, NotFound
from hstore.store.events import Done, Event, happened
from hstore.store.experiment import Experiment
from hstore.store.model_documents import trial_document

if TYPE_CHECKING:
    from hstore.store.fold import Trial
    from hstore.store.store import Store

LONGEST = 300
"""Characters of a value in the timeline."""
OUTPUT_BYTES = 64 * 1024
_ENVELOPE = {field.name for field in fields(Event)} | {"observed", "process", "fingerprint", "traceback", "params"}


def trial_view(store: Store, name: str, tid: int) -> dict[str, Any]:
    """Return what the page of trial *tid* says; raises `NotFound`."""
    experiment, trial = _read(store, name, tid)
    document = trial_document(trial)
    return {
        "state": shown_state(document),
        "loss": document.get("loss", document.get("loss_kind")),
        "losses": trial.losses,
        "constraints": trial.constraints,
        "why_unranked": trial.why_unranked if trial.is_finished else (),
        "can_retry": trial.is_finished,
        "attempt": trial.attempt,
        "duration": trial.duration,
        "worker": trial.reserved.worker if trial.reserved else None,
        "source": trial.queued.source if trial.queued else None,
        "algorithm": document.get("algorithm"),
        "params": {label: (value, trial.point.get(label)) for label, value in trial.params.items()},
        "result": for_json(dict(trial.result)) if trial.result else {},
        "events": [_line(event) for event in experiment.chain(tid)],
        "error": trial.error,
        "traceback": getattr(trial.end, "traceback", None),
        "output": _output(store, trial),
        "attachments": {called: about.get("length") for called, about in trial.attachments.items()},
        "has_reports": any(report.step is not None for report in trial.reports),
        "tags": trial.tags,
        "is_void": trial.is_void,
        "returned": None if trial.returned is None else trial.returned.losses or trial.returned.loss,
        "can_amend": isinstance(trial.end, Done) and not trial.is_pruned,
        "notes": [{"at": f"{happened(note):%Y-%m-%d %H:%M}", **said_in(note)} for note in trial.notes if said_in(note)],
        "trials": len(experiment.state.trials),
    }


def attachment(store: Store, name: str, tid: int, called: str) -> bytes:
    """Return the content of an attachment of trial *tid*; raises `NotFound`."""
    _, trial = _read(store, name, tid)
    about = trial.attachments.get(called)
    if about is None:
        raise NotFound(f"trial {tid} has no attachment {called!r}")
    return store.attachments.get(about["sha256"])


def _read(store: Store, name: str, tid: int) -> tuple[Experiment, Trial]:
    experiment = Experiment(store, name, only=[tid])
    experiment.refresh()
    trial = experiment.state.trials.get(tid)
    if trial is None:
        what = f"experiment {name!r} has no trial {tid}"
        raise NotFound(what if experiment.state.ver >= 0 else f"there is no experiment {name!r}")
    return experiment, trial


def _line(event: Event) -> dict[str, Any]:
    said = {field.name: getattr(event, field.name) for field in fields(event) if field.name not in _ENVELOPE}
    known = {label: _short(value) for label, value in said.items() if value not in (None, "", {}, [])}
    at = happened(event)
    return {
        "ver": event.ver, "type": event.type, "at": f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}",
        "by": event.by, "said": known,
    }  # fmt: skip


def _short(value: Any) -> str:
    shown = value if isinstance(value, str) else str(for_json(value))
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _output(store: Store, trial: Trial) -> str | None:
    about = trial.attachments.get(OUTPUT)
    if about is None:
        return None
    try:
        content = store.attachments.get(about["sha256"])
    except HstoreError as error:
        return f"[it cannot be read: {error}]"
    left_out = f"[the first {len(content) - OUTPUT_BYTES} bytes are left out]\n" if len(content) > OUTPUT_BYTES else ""
    return left_out + content[-OUTPUT_BYTES:].decode(errors="replace")
