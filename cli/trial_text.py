"""What `show` says of a trial, for people and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hstore.cli import painting
from hstore.cli.notes_text import notes_data, notes_lines, said
from hstore.cli.table import exact, named, numbers, render, text
from hstore.cli.trial_table import ranked_data
from hstore.store.attachments import OUTPUT
from hstore.store.errors import NotFound
from hstore.store.events import AMENDABLE, happened
from hstore.store.model_documents import trial_document

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment
    from hstore.store.fold import Trial

_KEPT = {"failed": "trials that fail", "always": "every trial", "never": "no trial"}


def trial_data(experiment: Experiment, trial: Trial) -> dict[str, Any]:
    """Return what `--json` says of *trial*, read from the log."""
    document = trial_document(trial)
    document |= ranked_data(document)
    del document["_id"]
    events: list[dict[str, Any]] = [
        {"ver": e.ver, "type": e.type, "at": e.at, "by": e.by}
        | ({} if e.imported is None else {"imported": e.imported})
        for e in experiment.chain(trial.tid)
    ]
    result = {} if trial.result is None else {"result": dict(trial.result)}
    attachments = {name: {**a, "sha256": a["sha256"].hex()} for name, a in trial.attachments.items()}
    traceback = getattr(trial.end, "traceback", None)
    returned = {} if trial.returned is None else {"returned": dict(_returned(trial))}
    notes = {"notes": found} if (found := notes_data(trial.notes)) else {}
    return {
        **document, **result, **returned, **notes, "attachments": attachments, "traceback": traceback, "events": events,
    }  # fmt: skip


def trial_text(experiment: Experiment, trial: Trial) -> str:
    """Return what `show` prints of *trial*."""
    parts = (
        _origin(experiment, trial), _losses(trial), _parameters(trial), _events(experiment, trial), _outcome(trial),
    )  # fmt: skip
    return "\n".join(line for lines in parts for line in lines)


def _origin(experiment: Experiment, trial: Trial) -> Iterator[str]:
    yield f"trial {trial.tid} of {text(experiment.name)}: {painting.state(text(trial.state))}"
    if trial.queued is None:
        return
    if trial.queued.source != "suggested":
        yield f"{text(trial.queued.source)}, not suggested by an algorithm"
    if (first := (trial.queued.algorithm or {}).get("replicate_of")) is not None:
        yield f"evaluates the point of trial {text(first)} again"
    imported = trial.queued.imported
    if imported is not None and imported.get("from") == "warm_start":
        place = f" in {imported['store']}" if "store" in imported else ""
        yield f"known from trial {imported.get('tid')} of {text(imported.get('exp'))}{text(place)}"
    elif imported is not None:
        origin = text(f"{imported.get('from')}'s tid {imported.get('tid')}")
        when = f"{trial.queued.at:%Y-%m-%d %H:%M:%S}"
        yield f"imported from {origin} on {when}; the times below are the original ones"


def _losses(trial: Trial) -> Iterator[str]:
    if trial.loss is not None:
        yield f"loss {text(trial.loss)} ({text(trial.status)})"
    if trial.losses:
        yield f"losses {numbers(trial.losses)} ({text(trial.status)})"
    if trial.constraints:
        yield f"constraints {numbers(trial.constraints)}: {'satisfied' if trial.is_feasible else 'violated'}"
    if trial.is_pruned:
        step, value = trial.last_report or (None, None)
        yield f"pruned at step {text(step)}, value {text(value)}"
    if (note := trial.amended_by) is not None:
        yield f"amended: {named(dict(_returned(trial)))} is what the objective returned{said(note)}"
    if trial.is_void:
        why = next((note for note in reversed(trial.notes) if note.void), None)
        yield "void: algorithms ignore this trial, and it is never the best" + ("" if why is None else said(why))
    yield from notes_lines(trial.tags, trial.notes)


def _returned(trial: Trial) -> Iterator[tuple[str, Any]]:
    """Yield name and value of what was amended in the end of *trial*, as the objective returned it."""
    for name in AMENDABLE:
        if (value := getattr(trial.returned, name)) != getattr(trial.end, name):
            yield name, value


def _parameters(trial: Trial) -> Iterator[str]:
    yield "parameters"
    for label, value in trial.params.items():
        raw = trial.point.get(label)
        yield f"  {text(label)} = {exact(value)}" + ("" if raw == value else f"  (in the point: {exact(raw)})")


def _events(experiment: Experiment, trial: Trial) -> Iterator[str]:
    rows: list[list[Any]] = [["ver", "event", "time (UTC)", "by"]]
    rows += [[e.ver, e.type, f"{happened(e):%Y-%m-%d %H:%M:%S.%f}"[:-3], e.by] for e in experiment.chain(trial.tid)]
    yield "events"
    yield render(rows)


def _outcome(trial: Trial) -> Iterator[str]:
    if trial.result is not None:
        yield "result"
        for name, value in trial.result.items():
            yield f"  {text(name)} = {_short(value)}"
    if trial.attachments:
        yield "attachments"
        for name, attachment in trial.attachments.items():
            yield f"  {text(name)}: {text(attachment['length'])} bytes"
    if trial.error:
        yield painting.painted(text(trial.error), "bad")
        for line in str(getattr(trial.end, "traceback", None) or "").split("\n"):
            yield text(line)


def _short(value: Any) -> str:
    shown = text(repr(value))
    return shown if len(shown) <= 200 else shown[:197] + "…"


def trial_output(experiment: Experiment, trial: Trial) -> str:
    """Return what *trial* wrote to stdout and stderr; raises `NotFound` if nothing of that was kept."""
    if (attachment := trial.attachments.get(OUTPUT)) is None:
        raise NotFound(
            f"no output of trial {trial.tid} was kept",
            hint=f"workers keep it of {_KEPT[experiment.state.keep_output]}; see keep_output of fmin",
        )
    return experiment.store.attachments.get(attachment["sha256"]).decode(errors="replace")
