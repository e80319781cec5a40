"""`hstore show`: an experiment, or one of its trials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hstore.cli import painting
from hstore.cli.at import AT
from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import as_of, print_bytes, print_json, print_json_with, print_note, print_text, said_in
from hstore.cli.session import writing
from hstore.cli.trial_table import ranked_data
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
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tid", type=int, required=False)
@click.option("--output", is_flag=True, help="Print what trial TID wrote to stdout and stderr.")
@click.option("--save", "attachment", metavar="NAME", help="Write attachment NAME of trial TID to a file.")
@click.option("-o", "file", metavar="FILE", help="The file for --save; - is stdout. Default: NAME, which must be new.")
@click.option("--sort", metavar="COLUMN", help="Print the trials as a table, sorted; -COLUMN: the largest first.")
@click.option("--filter", "filters", metavar="COND", multiple=True, help="Only trials for which all of these hold.")
@click.option("--columns", metavar="A,B,…", help="The columns of the table.")
@click.option("-n", "limit", type=click.IntRange(0), metavar="N", help="So many trials; 20 by default.")
@click.option("--all", "is_all", is_flag=True, help="All trials.")
@click.option("--provenance", is_flag=True, help="Print where EXPERIMENT came from: git, command, host, packages.")
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
    sort: str | None,
    filters: tuple[str, ...],
    columns: str | None,
    limit: int | None,
    is_all: bool,
    provenance: bool,
    exact: bool,
    as_json: bool,
    at: str | None,
) -> None:
    """Show EXPERIMENT, or its trial number TID.

    Trials that have ended are counted in the collection `trials`; the others, the latest and the best are read from the
    log. A trial TID is always read from the log.

    With --sort, --filter, --columns, -n or --all it prints a table of trials. Columns are named as in --json: tid,
    state, loss, duration, worker, params.LABEL, …; conditions are COLUMN=VALUE, !=, <, <=, >, >=, and ~ for a part of a
    text. state may also be void, pruned or infeasible. Trials without a value come last.

    \b
    hstore show digits
    hstore show digits 7
    hstore show digits 7 --output
    hstore show digits --sort loss -n 5
    hstore show digits --sort -params.lr --filter state=done --filter 'loss<0.3' --all --columns tid,loss,params.lr
    hstore show digits 7 --save model -o model.pkl
    hstore show digits --at 50
    hstore show digits --provenance
    """
    if provenance:
        if tid is not None or output or attachment is not None:
            raise click.UsageError("--provenance is of an experiment: give no trial, --output or --save")
        from hstore.cli.provenance_text import provenance_data, provenance_text

        with session.experiment(experiment, at, only=() if at is None else None) as found:
            print_json(provenance_data(found)) if as_json else print_text(provenance_text(found))
        return
    if file is not None and attachment is None:
        raise click.UsageError("-o goes with --save NAME")
    if attachment is not None:
        if tid is None or output or as_json:
            raise click.UsageError("--save is of one trial: give its number, and neither --output nor --json")
        with session.experiment(experiment, only=[tid]) as found:
            _save(found.attachment(tid, attachment), file)
        return
    is_table = bool(sort or filters or columns or limit is not None or is_all)
    if is_table and (tid is not None or output):
        raise click.UsageError("--sort, --filter, --columns, -n and --all are of all trials: give no number of one")
    if is_all and limit is not None:
        raise click.UsageError("--all prints all trials, -n N so many: give one")
    if is_table:
        from hstore.cli.trial_table import SHOWN, Wanted, print_table

        n = None if is_all or (as_json and limit is None) else SHOWN if limit is None else limit
        names = None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
        wanted = Wanted(sort=sort, filters=filters, columns=names, limit=n)
        with session.summary(experiment, exact=exact, at=at) as summary:
            print_table(summary, wanted, labels=list(_space(summary.experiment)), as_json=as_json)
        return
    if output and tid is None:
        raise click.UsageError("--output is of one trial: add its number")
    if tid is None:
        with session.summary(experiment, exact=exact, at=at) as summary:
            if as_json:
                print_json_with(experiment_data(summary), "trials", _trials_data(summary))
            else:
                print_text(_experiment_text(summary))
        return
    with session.experiment(experiment, at, only=None if exact else [tid]) as found:
        trial = found.trial(tid)
        if output:
            printed = _output(found, trial)
            print_json({"tid": tid, "output": printed}) if as_json else print_text(printed.removesuffix("\n"))
        elif as_json:
            print_json(trial_data(found, trial))
        else:
            print_text(_trial_text(found, trial))


# -- an experiment --------------------------------------------------------------------------------------------


def experiment_data(summary: ExperimentSummary) -> dict[str, Any]:
    """Return what `--json` says of an experiment, but for its trials."""
    from hstore.store.model_documents import experiment_document

    document = experiment_document(summary)
    from hstore.cli.recommended import recommended_data

    return {
        "name": document.pop("_id"),
        **document,
        "recommended": None if (found := summary.recommended) is None else recommended_data(found),
        "as_of_event": summary.as_of_event,
        "objective_changes": _objective_changes(summary.experiment),
        "forked": _lineage_data(summary.experiment.state.forked),
        "space": _space(summary.experiment),
        "decision_digest": summary.decision_digest,
        "copied": summary.experiment.state.copied,
        "tags": summary.experiment.state.tags,
        "notes": _notes_data(summary.experiment.state.notes),
    }


def _trials_data(summary: ExperimentSummary) -> Iterator[dict[str, Any]]:
    """Yield the document of each trial, and whether it is ranked."""
    for document in summary.documents():
        yield {name: value for name, value in document.items() if name != "_id"} | ranked_data(document)


def _space(experiment: Experiment) -> dict[str, str]:
    from hstore.engine.space import Space

    created = experiment.state.created
    if created is None:
        return {}
    space = Space.from_data(created.space)
    return {label: space.describe(label) for label in space.as_written}


def _experiment_text(summary: ExperimentSummary) -> str:
    parts = (_heading(summary), _best(summary), _recommended(summary), _front(summary), _latest(summary))
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
    archived = f", {painting.state('archived')}" if state.is_archived else ""
    yield f"experiment {text(experiment.name)}: {painting.state(text(state.status))}{reason}{archived}"
    if state.title:
        yield f"title      {text(state.title)}"
    if (origin := state.copied) is not None:
        head = origin["head"].hex()
        yield f"copied     from {text(origin['exp'])} in {text(origin.get('store'))}, where the head was {head}"
    if state.forked is not None:
        yield f"forked     {_lineage(state.forked)}"
    yield f"algorithm  {_algorithm(state.algorithm)}"
    if state.pruner:
        yield f"pruner     {_algorithm(state.pruner)}"
    for edited in _objective_changes(experiment):
        yield f"objective  {text(told(edited))}"
    yield f"trials     {painting.counts(counted(summary.counts, summary.pruned)) or 'none yet'}"
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


def _recommended(summary: ExperimentSummary) -> Iterator[str]:
    from hstore.cli.recommended import recommended_lines

    if (found := summary.recommended) is not None:
        first, *more = recommended_lines(found)
        yield f"recommended {first}"
        yield from more


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
    yield render(rows, drop=("ended (UTC)", "seconds", "not ranked"))
    if any(trial.returned is not None for trial in latest):
        yield "* amended by a person: `hstore show EXPERIMENT TID` has the earlier value"
    shown = {mark for trial in latest for mark in trial.why_unranked}
    if legend := [f"{mark} ({meaning})" for mark, meaning in _LEGEND.items() if mark in shown]:
        yield f"trials that are not ranked cannot be the best: {', '.join(legend)}"


# -- a trial --------------------------------------------------------------------------------------------------


def trial_data(experiment: Experiment, trial: Trial) -> dict[str, Any]:
    """Return what `--json` says of *trial*, read from the log."""
    from hstore.store.model_documents import trial_document

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

    yield f"trial {trial.tid} of {text(experiment.name)}: {painting.state(text(trial.state))}"
    if trial.queued is None:
        return
    if trial.queued.source != "suggested":
        yield f"{text(trial.queued.source)}, not suggested by an algorithm"
    if (first := (trial.queued.algorithm or {}).get("replicate_of")) is not None:
        yield f"evaluates the point of trial {text(first)} again"
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
        if note.archived is not None:
            yield f"{'archived' if note.archived else 'unarchived'}{_said(note)}"
        elif note.note and note.void is None and note.amend is None:
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
        yield painting.painted(text(trial.error), "bad")
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
