"""What `show` says of an experiment, for people and as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hstore.cli import painting
from hstore.cli.notes_text import notes_data, notes_lines
from hstore.cli.printing import as_of
from hstore.cli.recommended import recommended_data, recommended_lines
from hstore.cli.table import aside, counted, exact, named, numbers, render, text
from hstore.cli.trial_table import ranked_data
from hstore.engine.evaluation.objective_change import describe_change
from hstore.engine.search.survey import told_aside
from hstore.engine.space import Space
from hstore.store.events import Changed, happened
from hstore.store.model_documents import experiment_document

if TYPE_CHECKING:
    from hstore.store.events import Forked
    from hstore.store.experiment import Experiment
    from hstore.store.experiment_summary import ExperimentSummary

FRONT = 20
"""How many trials of a Pareto front are shown at most."""
_LEGEND = {
    "void": "excluded by a note",
    "pruned": "stopped early",
    "infeasible": "violates a constraint",
    "nan": "its loss is not a number",
}
"""What the marks of trials mean that are not ranked although they ended without an error."""


def experiment_data(summary: ExperimentSummary) -> dict[str, Any]:
    """Return what `--json` says of an experiment, but for its trials."""
    document = experiment_document(summary)
    return {
        "name": document.pop("_id"),
        **document,
        "recommended": None if (found := summary.recommended) is None else recommended_data(found),
        "as_of_event": summary.as_of_event,
        "objective_changes": _objective_changes(summary.experiment),
        "forked": _lineage_data(summary.experiment.state.forked),
        "space": space_data(summary.experiment),
        "decision_digest": summary.decision_digest,
        "copied": summary.experiment.state.copied,
        "tags": summary.experiment.state.tags,
        "notes": notes_data(summary.experiment.state.notes),
    }


def trials_data(summary: ExperimentSummary) -> Iterator[dict[str, Any]]:
    """Yield the document of each trial, and whether it is ranked."""
    for document in summary.documents():
        yield {name: value for name, value in document.items() if name != "_id"} | ranked_data(document)


def space_data(experiment: Experiment) -> dict[str, str]:
    """Return the distributions of the space by label, in words; none before there is a space."""
    created = experiment.state.created
    if created is None:
        return {}
    space = Space.from_data(created.space)
    return {label: space.describe(label) for label in space.as_written}


def experiment_text(summary: ExperimentSummary) -> str:
    """Return what `show` prints of an experiment."""
    parts = (_heading(summary), _best(summary), _recommended(summary), _front(summary), _latest(summary))
    return "\n".join(line for lines in parts for line in lines)


def _heading(summary: ExperimentSummary) -> Iterator[str]:
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
        yield f"objective  {text(describe_change(edited))}"
    yield f"trials     {painting.counts(counted(summary.counts, summary.pruned)) or 'none yet'}"
    yield from as_of(summary.as_of_event)
    yield f"decisions  {summary.decision_digest.hex()}"
    yield from notes_lines(state.tags, state.notes)
    yield "space"
    for label, distribution in space_data(experiment).items():
        yield f"  {text(label)}: {text(distribution)}"
    if state.unreadable:
        yield f"unreadable {', '.join(f'trial {e.tid} event {e.ver}' for e in state.unreadable)}"
    yield from aside(experiment.name, told_aside(experiment.set_aside_if_signed()))


def _lineage_data(forked: Forked | None) -> dict[str, Any] | None:
    if forked is None:
        return None
    return {name: getattr(forked, name) for name in ("source", "until", "left_out", "head", "at", "person")}


def _lineage(forked: Forked) -> str:
    person = f", by {text(forked.person)}" if forked.person else ""
    left_out = f", of which {forked.left_out} are left out" if forked.left_out else ""
    return f"from the first {forked.until} trials of {text(forked.source)}{left_out}, at {text(forked.at)}{person}"


def _algorithm(described: Mapping[str, Any]) -> str:
    settings = dict(described.get("settings", {}))
    parts = settings.pop("p_suggest", ())  # of a mix: probabilities and algorithms
    shown = f"{text(described.get('name'))} {named(settings)}".rstrip()
    return " of ".join(filter(None, (shown, ", ".join(f"{text(p)} {_algorithm(part)}" for p, part in parts))))


def _objective_changes(experiment: Experiment) -> list[Mapping[str, Any]]:
    events = [] if experiment.state.ver < 0 else experiment.chain(None)
    changed = [event.objective or {} for event in events if isinstance(event, Changed)]
    return [each["change"] for each in changed if isinstance(each.get("change"), dict)]


def _best(summary: ExperimentSummary) -> Iterator[str]:
    if (best := summary.best) is not None:
        yield f"best       trial {best.tid}, loss {text(best.loss)}"
        for label, value in best.params.items():
            yield f"  {text(label)} = {exact(value)}"


def _recommended(summary: ExperimentSummary) -> Iterator[str]:
    if (found := summary.recommended) is not None:
        first, *more = recommended_lines(found)
        yield f"recommended {first}"
        yield from more


def _front(summary: ExperimentSummary) -> Iterator[str]:
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
