"""`hstore show`: an experiment, or one of its trials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.at import AT
from hstore.cli.printing import as_of, print_bytes, print_json, print_json_with, print_note, print_text, said_in
from hstore.cli.session import writing
from hstore.store.terminal_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hstore.cli.session import Session
    from hstore.store.attachments import SavedAttachment
    from hstore.store.events import Forked, Noted
    from hstore.store.experiment import Experiment
    from hstore.store.experiment_summary import ExperimentSummary
    from hstore.store.fold import Trial

FRONT = 20
"""How many trials of a Pareto front are shown at most."""
_LEGEND = {
    "void": "excluded by a note",
    "pruned": "stopped early",
    "infeasible": "violates a constraint",
    "nan": "its loss is not a number",
}
"""What the marks of trials mean that are not ranked although they ended without an error."""


@click.command()
@click.argument("experiment")
@click.argument("tid", type=int, required=False)
@click.option("--output", is_flag=True, help="Print what trial TID wrote to stdout and stderr.")
@click.option("--save", "attachment", metavar="NAME", help="Write attachment NAME of trial TID to a file.")
@click.option("-o", "file", metavar="FILE", help="The file for --save; - is stdout. Default: NAME, which must be new.")
@click.option("--exact", is_flag=True, help="Read every event of EXPERIMENT; the time grows with it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@AT
@click.pass_obj
def show(
    session: Session,
    experiment: str,
    tid: int | None,
    output: bool,
    attachment: str | None,
    file: str | None,
    exact: bool,
    as_json: bool,
    at: str | None,
) -> None:
    """Show EXPERIMENT, or its trial number TID.

    Trials that have ended are counted in the collection `trials`; the others, the latest and the best are read from the
    log. A trial TID is always read from the log.

    \b
    hstore show digits
    hstore show digits 7
    hstore show digits 7 --output
    hstore show digits 7 --save model -o model.pkl
    hstore show digits --at 50
    """
    if file is not None and attachment is None:
        raise click.UsageError("-o goes with --save NAME")
    if attachment is not None:
        if tid is None or output or as_json:
            raise click.UsageError("--save is of one trial: give its number, and neither --output nor --json")
        with session.experiment(experiment, only=[tid]) as found:
            _save(found.attachment(tid, attachment), file)
        return
    if output and tid is None:
        raise click.UsageError("--output is of one trial: add its number")
    if tid is None:
        with session.summary(experiment, exact=exact, at=at) as summary:
            if as_json:
                print_json_with(_experiment_data(summary), "trials", _trials_data(summary))
            else:
                print_text(_experiment_text(summary))
        return
    with session.experiment(experiment, at, only=None if exact else [tid]) as found:
        trial = found.trial(tid)
        if output:
            printed = _output(found, trial)
            print_json({"tid": tid, "output": printed}) if as_json else print_text(printed.removesuffix("\n"))
        elif as_json:
            print_json(_trial_data(found, trial))
        else:
            print_text(_trial_text(found, trial))


# -- an experiment --------------------------------------------------------------------------------------------


def _experiment_data(summary: ExperimentSummary) -> dict[str, Any]:
    from hstore.store.read_models import experiment_document

    document = experiment_document(summary)
    return {
        "name": document.pop("_id"),
        **document,
        "as_of_event": summary.as_of_event,
        "objective_changes": _objective_changes(summary.experiment),
        "forked": _lineage_data(summary.experiment.state.forked),
        "space": _space(summary.experiment),
        "decision_digest": summary.decision_digest,
        "tags": summary.experiment.state.tags,
        "notes": _notes_data(summary.experiment.state.notes),
    }


def _trials_data(summary: ExperimentSummary) -> Iterator[dict[str, Any]]:
    """Yield the document of each trial, and whether it is ranked."""
    for document in summary.documents():
        yield {name: value for name, value in document.items() if name != "_id"} | _rank_data(document)


def _rank_data(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the trial of *document* is ranked, and why not if it has ended."""
    from hstore.store.ranked import why_unranked
    from hstore.store.values import from_loss

    reasons = why_unranked(
        status=document.get("status"), loss=from_loss(document.get("loss"), document.get("loss_kind")),
        losses=document.get("losses"), constraints=document.get("constraints"),
        is_pruned=bool(document.get("pruned")), is_void=bool(document.get("void")),
    )  # fmt: skip
    state = document.get("state")
    has_ended = state in ("done", "cancelled") or (state == "failed" and bool(document.get("final")))
    return {"is_ranked": not reasons, **({"not_ranked": [*reasons]} if reasons and has_ended else {})}


def _space(experiment: Experiment) -> dict[str, str]:
    from hstore.engine.space import Space

    created = experiment.state.created
    if created is None:
        return {}
    space = Space.from_data(created.space)
    return {label: space.describe(label) for label in space.as_written}


def _experiment_text(summary: ExperimentSummary) -> str:
    parts = (_heading(summary), _best(summary), _front(summary), _latest(summary))
    return "\n".join(line for lines in parts for line in lines)


def _objective_changes(experiment: Experiment) -> list[Mapping[str, Any]]:
    from hstore.store.events import Changed

    events = [] if experiment.state.ver < 0 else experiment.chain(None)
    changed = [event.objective or {} for event in events if isinstance(event, Changed)]
    return [each["change"] for each in changed if isinstance(each.get("change"), dict)]


def _heading(summary: ExperimentSummary) -> Iterator[str]:
    from hstore.cli.table import aside, counted, text
    from hstore.engine.evaluation.objective_change import told
    from hstore.engine.search.survey import told_aside

    experiment, state = summary.experiment, summary.experiment.state
    reason = f" ({text(state.why)})" if state.why else ""
    yield f"experiment {text(experiment.name)}: {text(state.status)}{reason}"
    if state.forked is not None:
        yield f"forked     {_lineage(state.forked)}"
    yield f"algorithm  {_algorithm(state.algorithm)}"
    if state.pruner:
        yield f"pruner     {_algorithm(state.pruner)}"
    for edited in _objective_changes(experiment):
        yield f"objective  {text(told(edited))}"
    yield f"trials     {counted(summary.counts, summary.pruned) or 'none yet'}"
    yield from as_of(summary.as_of_event)
    yield f"decisions  {summary.decision_digest.hex()}"
    yield from _notes(state.tags, state.notes)
    yield "space"
    for label, distribution in _space(experiment).items():
        yield f"  {text(label)}: {text(distribution)}"
    if state.unreadable:
        yield f"unreadable {', '.join(f'trial {e.tid} event {e.ver}' for e in state.unreadable)}"
    yield from aside(experiment.name, told_aside(experiment.set_aside_if_signed()))


def _lineage_data(forked: Forked | None) -> dict[str, Any] | None:
    if forked is None:
        return None
    return {name: getattr(forked, name) for name in ("source", "until", "left_out", "head", "at", "person")}


def _lineage(forked: Forked) -> str:
    from hstore.cli.table import text

    person = f", by {text(forked.person)}" if forked.person else ""
    left_out = f", of which {forked.left_out} are left out" if forked.left_out else ""
    return f"from the first {forked.until} trials of {text(forked.source)}{left_out}, at {text(forked.at)}{person}"


def _algorithm(described: Mapping[str, Any]) -> str:
    from hstore.cli.table import named, text

    settings = dict(described.get("settings", {}))
    parts = settings.pop("p_suggest", ())  # of a mix: probabilities and algorithms
    shown = f"{text(described.get('name'))} {named(settings)}".rstrip()
    return " of ".join(filter(None, (shown, ", ".join(f"{text(p)} {_algorithm(part)}" for p, part in parts))))


def _best(summary: ExperimentSummary) -> Iterator[str]:
    from hstore.cli.table import text

    if (best := summary.best) is not None:
        yield f"best       trial {best.tid}, loss {text(best.loss)}"
        for label, value in best.params.items():
            yield f"  {text(label)} = {_exact(value)}"


def _front(summary: ExperimentSummary) -> Iterator[str]:
    from hstore.cli.table import named, numbers, render

    if front := summary.pareto:
        yield f"Pareto front: {len(front)} trials"
        ordered = sorted(front, key=lambda trial: tuple(trial.losses))
        rows: list[list[Any]] = [["trial", "losses", "parameters"]]
        rows += [
            [trial.tid, numbers(trial.losses), named(dict(trial.params))]
            for trial in summary.load([each.tid for each in ordered[:FRONT]])
        ]
        yield render(rows)
        if len(front) > FRONT:
            yield f"and {len(front) - FRONT} more"


def _latest(summary: ExperimentSummary) -> Iterator[str]:
    from hstore.cli.table import named, numbers, render, text
    from hstore.store.events import happened

    if not (latest := summary.latest):
        return
    rows: list[list[Any]] = [["trial", "state", "loss", "not ranked", "seconds", "ended (UTC)", "parameters"]]
    for trial in latest:
        ended = happened(trial.end) if trial.end else None
        instead = numbers(trial.losses) or ("pruned" if trial.is_pruned else trial.status)
        loss = instead if trial.loss is None else trial.loss
        seconds = None if trial.duration is None else f"{trial.duration:.3g}"
        marks = ", ".join(mark for mark in trial.why_unranked if mark in _LEGEND)
        loss = f"{text(loss)}*" if trial.returned is not None else loss
        rows.append([trial.tid, trial.state, loss, marks, seconds, ended, named(dict(trial.params))])
    yield f"latest {len(latest)} of {len(summary.trials)} trials"
    yield render(rows)
    if any(trial.returned is not None for trial in latest):
        yield "* amended by a person: `hstore show EXPERIMENT TID` has the earlier value"
    shown = {mark for trial in latest for mark in trial.why_unranked}
    if legend := [f"{mark} ({meaning})" for mark, meaning in _LEGEND.items() if mark in shown]:
        yield f"trials that are not ranked cannot be the best: {', '.join(legend)}"


# -- a trial --------------------------------------------------------------------------------------------------


def _trial_data(experiment: Experiment, trial: Trial) -> dict[str, Any]:
    from hstore.store.read_models import trial_document

    document = trial_document(trial)
    document |= _rank_data(document)
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
    notes = {"notes": found} if (found := _notes_data(trial.notes)) else {}
    return {
        **document, **result, **returned, **notes, "attachments": attachments, "traceback": traceback, "events": events,
    }  # fmt: skip


def _trial_text(experiment: Experiment, trial: Trial) -> str:
    parts = (
        _origin(experiment, trial), _losses(trial), _parameters(trial), _events(experiment, trial), _outcome(trial),
    )  # fmt: skip
    return "\n".join(line for lines in parts for line in lines)


def _origin(experiment: Experiment, trial: Trial) -> Iterator[str]:
    from hstore.cli.table import text

    yield f"trial {trial.tid} of {text(experiment.name)}: {text(trial.state)}"
    if trial.queued is None:
        return
    if trial.queued.source != "suggested":
        yield f"{text(trial.queued.source)}, not suggested by an algorithm"
    said = trial.queued.imported
    if said is not None and said.get("from") == "warm_start":
        place = f" in {said['store']}" if "store" in said else ""
        yield f"known from trial {said.get('tid')} of {text(said.get('exp'))}{text(place)}"
    elif said is not None:
        origin = text(f"{said.get('from')}'s tid {said.get('tid')}")
        when = f"{trial.queued.at:%Y-%m-%d %H:%M:%S}"
        yield f"imported from {origin} on {when}; the times below are the original ones"


def _losses(trial: Trial) -> Iterator[str]:
    from hstore.cli.table import named, numbers, text

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
        yield f"amended: {named(dict(_returned(trial)))} is what the objective returned{_said(note)}"
    if trial.is_void:
        why = next((note for note in reversed(trial.notes) if note.void), None)
        yield "void: algorithms ignore this trial, and it is never the best" + ("" if why is None else _said(why))
    yield from _notes(trial.tags, trial.notes)


def _returned(trial: Trial) -> Iterator[tuple[str, Any]]:
    """Yield name and value of what was amended in the end of *trial*, as the objective returned it."""
    from hstore.store.events import AMENDABLE

    for name in AMENDABLE:
        if (value := getattr(trial.returned, name)) != getattr(trial.end, name):
            yield name, value


def _said(note: Noted) -> str:
    """Return who wrote *note*, when, and why."""
    from hstore.cli.table import text

    reason = f": {text(note.note)}" if note.note else ""
    return f" ({text(note.person or note.by)}, {note.at:%Y-%m-%d %H:%M}{reason})"


def _notes(tags: Sequence[str], notes: Iterable[Noted]) -> Iterator[str]:
    """Yield the *tags* of a trial or of an experiment, and those of its *notes* that people wrote."""
    from hstore.cli.table import text

    if tags:
        yield f"tags {', '.join(map(text, tags))}"
    for note in notes:
        if note.note and note.void is None and note.amend is None:
            yield f"note {text(note.note)} ({text(note.person or note.by)}, {note.at:%Y-%m-%d %H:%M})"


def _notes_data(notes: Iterable[Noted]) -> list[dict[str, Any]]:
    return [{"ver": note.ver, "at": note.at, **data} for note in notes if (data := said_in(note))]


def _parameters(trial: Trial) -> Iterator[str]:
    from hstore.cli.table import text

    yield "parameters"
    for label, value in trial.params.items():
        raw = trial.point.get(label)
        yield f"  {text(label)} = {_exact(value)}" + ("" if raw == value else f"  (in the point: {_exact(raw)})")


def _events(experiment: Experiment, trial: Trial) -> Iterator[str]:
    from hstore.cli.table import render
    from hstore.store.events import happened

    rows: list[list[Any]] = [["ver", "event", "time (UTC)", "by"]]
    rows += [[e.ver, e.type, f"{happened(e):%Y-%m-%d %H:%M:%S.%f}"[:-3], e.by] for e in experiment.chain(trial.tid)]
    yield "events"
    yield render(rows)


def _outcome(trial: Trial) -> Iterator[str]:
    from hstore.cli.table import text

    if trial.result is not None:
        yield "result"
        for name, value in trial.result.items():
            yield f"  {text(name)} = {_short(value)}"
    if trial.attachments:
        yield "attachments"
        for name, attachment in trial.attachments.items():
            yield f"  {text(name)}: {text(attachment['length'])} bytes"
    if trial.error:
        yield text(trial.error)
        for line in str(getattr(trial.end, "traceback", None) or "").split("\n"):
            yield text(line)


def _save(attachment: SavedAttachment, file: str | None) -> None:
    """Write *attachment* to *file*, or to one of its own name if that is a plain name which no file has."""
    if file == "-":
        print_bytes(attachment.read())
        return
    if file is None:
        file = attachment.name
        if file != Path(file).name or printable(file) != file or file in ("", ".", ".."):
            raise click.UsageError("the name of the attachment is no plain file name: add -o FILE")
        if Path(file).exists():
            raise click.ClickException(f"there is a file {file} already: add -o FILE")
    with writing(file):
        attachment.save(file)
    print_note(f"wrote {attachment.length} bytes to {file}")


def _output(experiment: Experiment, trial: Trial) -> str:
    """Return what *trial* wrote to stdout and stderr; raises `NotFound` if nothing of that was kept."""
    from hstore.store.attachments import OUTPUT
    from hstore.store.errors import NotFound

    if (attachment := trial.attachments.get(OUTPUT)) is None:
        raise NotFound(
            f"no output of trial {trial.tid} was kept",
            hint=f"workers keep it of {_KEPT[experiment.state.keep_output]}; see keep_output of fmin",
        )
    return experiment.store.attachments.get(attachment["sha256"]).decode(errors="replace")


_KEPT = {"failed": "trials that fail", "always": "every trial", "never": "no trial"}


def _exact(value: Any) -> str:
    """Return *value* in one line with all its digits."""
    from hstore.cli.table import text

    return text(str(value))


def _short(value: Any) -> str:
    from hstore.cli.table import text

    shown = text(repr(value))
    return shown if len(shown) <= 200 else shown[:197] + "…"
