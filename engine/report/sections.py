"""What a report says of a search, section by section, from its log alone."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from hstore.engine.audit.comparison import BUDGETS
from hstore.engine.provenance import recorded
from hstore.engine.report import origins
from hstore.engine.report.counts import attempts, counted, hosts, requeued
from hstore.engine.report.document import (
    Block,
    NamedValues,
    Paragraph,
    ReportTable,
    Section,
    WrittenReport,
)
from hstore.engine.report.pictures import pictures
from hstore.engine.space import Space
from hstore.store.errors import HstoreError
from hstore.store.events import Changed, happened
from hstore.store.experiment import Experiment
from hstore.store.failures import failure_of, kind_of
from hstore.store.fold import Trial
from hstore.store.verify import verify

MOST_FRONT, MOST_OPTIONS, MOST_TRIALS, MOST_NOTES = 50, 8, 12, 200
"""How many trials of a front, options of a choice, trials of a kind of failure, and notes are listed."""


def report_of(
    experiment: Experiment, *, hstore: str, file: str | None = None, with_figures: bool = True
) -> WrittenReport:
    """Return the report of *experiment*, which is verified on the way.

    hstore: the version that writes it. file: a file of `hstore export -o` that goes with it, for the commands.
    """
    trials = experiment.trials
    checked = verify(experiment.documents(), fetch=experiment.store.attachments.get)
    provenance = experiment.state.provenance
    packages = recorded.packages_of(experiment, provenance)
    sections = [
        Section("What was searched", list(_searched(experiment, trials))),
        Section("Result", list(_result(experiment, trials))),
        Section("Budget", list(_budget(experiment, trials))),
        Section("Failures", list(_failures(trials))),
        Section("Corrections and notes", list(_corrections(experiment, trials))),
        Section("Seeds", list(origins.seeds_section(experiment, trials))),
        Section("Code", list(origins.code_section(experiment))),
        Section("Environment", list(origins.environment_section(experiment, trials, packages))),
        Section("Evidence", list(origins.evidence_section(experiment, checked, file))),
        Section("Figures", list(pictures(experiment)) if with_figures else [Paragraph("Left out.")]),
        Section("Checklist", list(origins.checklist_section(experiment, trials, packages))),
    ]
    return WrittenReport(
        title=f"Report of the search {experiment.name}",
        summary=f"{_summary(experiment)} Written by hstore {hstore} from the log of the search, and nothing else.",
        sections=[section for section in sections if section.blocks],
    )


def _summary(experiment: Experiment) -> str:
    state = experiment.state
    why = f" ({state.why})" if state.why else ""
    n = len(state.trials)
    trials = f"{n} trial{'' if n == 1 else 's'}" if n else "no trials yet"
    running = "" if state.status == "finished" else " The search is not over: this is how it stood when it was read."
    return f"Status: {state.status}{why}; {trials}.{running}"


# -- what was searched ----------------------------------------------------------------------------------------


def _searched(experiment: Experiment, trials: Sequence[Trial]) -> Iterator[Block]:
    state = experiment.state
    if state.created is None:
        yield Paragraph("The log has no beginning: the search was not begun.")
        return
    algorithm, pruner = state.algorithm, state.pruner
    yield NamedValues(
        [
            ("objective", state.objective.get("name")),
            ("losses", state.objective.get("objectives")),
            ("algorithm", f"{algorithm.get('name')}, version {algorithm.get('version')}"),
            ("its settings", dict(algorithm.get("settings") or {}) or "all by default"),
            ("pruner", dict(pruner) or "none"),
        ]
    )
    changed = [e for e in experiment.chain(None) if isinstance(e, Changed) and e.algorithm is not None]
    for event in changed:
        name = (event.algorithm or {}).get("name")
        yield Paragraph(f"From {event.at:%Y-%m-%d %H:%M:%S} UTC on the algorithm was {name}.")
    try:
        space = Space.from_data(state.space)
        labels = [(label, space.describe(label)) for label in space.as_written]
    except HstoreError as error:
        yield Paragraph(f"The space cannot be read: {error}")
        return
    best = state.best
    rows: list[list[Any]] = [["parameter", "drawn from", "tried", "active in", "best"]]
    for label, described in labels:
        values = [trial.params[label] for trial in trials if label in trial.params]
        chosen = best.params.get(label) if best is not None else None
        rows.append([label, described, _tried(values), f"{len(values)} of {len(trials)}", chosen])
    yield ReportTable(rows)


def _tried(values: Sequence[Any]) -> str | None:
    """Return the range of *values*, or how often there was which."""
    if not values:
        return None
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return f"{min(values)!r} to {max(values)!r}"
    counts = Counter(str(value) for value in values).most_common()
    shown = ", ".join(f"{value}: {n}" for value, n in counts[:MOST_OPTIONS])
    return shown + (f", and {len(counts) - MOST_OPTIONS} more" if len(counts) > MOST_OPTIONS else "")


# -- result ---------------------------------------------------------------------------------------------------


def _result(experiment: Experiment, trials: Sequence[Trial]) -> Iterator[Block]:
    state = experiment.state
    unranked = Counter(why for trial in trials if trial.is_finished for why in trial.why_unranked)
    left_out = f" Not ranked, by reason: {counted(unranked)}." if unranked else ""
    if front := state.pareto:
        yield Paragraph(
            "No single trial is the best. Shown is the Pareto front: the trials than which no other is at least as "
            "good in all losses and better in one. Smaller is better. Void trials, those stopped early and those that "
            f"violate a constraint are not ranked.{left_out}"
        )
        n = len(front[0].losses or ())
        rows: list[list[Any]] = [["trial", *(f"loss {i}" for i in range(n)), "parameters"]]
        ordered = sorted(front, key=lambda trial: tuple(trial.losses or ()))
        rows += [[trial.tid, *(trial.losses or ()), dict(trial.params)] for trial in ordered[:MOST_FRONT]]
        yield ReportTable(rows)
        if len(front) > MOST_FRONT:
            yield Paragraph(f"The front has {len(front)} trials; the first {MOST_FRONT} by their first loss are shown.")
        return
    yield Paragraph(
        "The best is the trial with the smallest loss among those that ended with the status ok; of equal ones the "
        f"first. Void trials, those stopped early and those that violate a constraint are not ranked.{left_out}"
    )
    if (best := state.best) is None:
        yield Paragraph("No trial finished with a usable loss, so there is no best.")
        return
    yield NamedValues(
        [
            ("best trial", best.tid), ("its loss", best.loss),
            ("its constraints", list(best.constraints or ()) or None),
            ("seconds", best.duration), ("amended", _amended(best)), *best.params.items(),
        ]
    )  # fmt: skip
    ranked = [trial for trial in trials if not trial.why_unranked and trial.loss is not None]
    budgets = [*(n for n in BUDGETS if n < len(trials)), len(trials)]
    rows = [["after trials", "best loss", "trial"]]
    for n in budgets:
        among = [trial for trial in ranked if trial.tid < n]
        if among:
            least = min(among, key=lambda trial: (trial.loss, trial.tid))
            rows.append([n, least.loss, least.tid])
    yield ReportTable(rows)


def _amended(trial: Trial) -> str | None:
    if trial.returned is None or trial.amended_by is None:
        return None
    return f"the objective returned {trial.returned.loss!r}; see Corrections"


# -- budget ---------------------------------------------------------------------------------------------------


def _budget(experiment: Experiment, trials: Sequence[Trial]) -> Iterator[Block]:
    state = experiment.state
    durations = [trial.duration for trial in trials if trial.duration is not None]
    begun, ended = _span(experiment)
    sources = Counter(trial.queued.source for trial in trials if trial.queued is not None)
    yield NamedValues(
        [
            ("limits", {name: value for name, value in state.limits.items() if value is not None} or "none"),
            ("trials", len(trials)),
            ("by state", counted(state.counts) or None),
            ("stopped early by the pruner", state.pruned or None),
            ("by origin", counted(sources) or None),
            ("evaluations, retries included", attempts(experiment, trials)),
            ("put back to the queue, by cause", counted(requeued(experiment, trials)) or None),
            ("seconds of evaluation, the last attempt of each trial", math.fsum(durations) if durations else None),
            ("seconds of a trial, mean", math.fsum(durations) / len(durations) if durations else None),
            ("begun", begun), ("last event", ended),
            ("hosts that evaluated", ", ".join(hosts(trials)) or None),
        ]
    )  # fmt: skip


def _span(experiment: Experiment) -> tuple[Any, Any]:
    created, last = experiment.state.created, experiment.state.last
    return (None if created is None else happened(created)), (None if last is None else happened(last))


# -- failures, corrections ------------------------------------------------------------------------------------


def _failures(trials: Sequence[Trial]) -> Iterator[Block]:
    groups: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for trial in trials:
        if (failure := failure_of(trial)) is not None:
            groups[kind_of(failure)].append((trial.tid, failure))
        elif trial.loss is not None and math.isnan(trial.loss):
            groups["its loss is not a number"].append((trial.tid, "its loss is not a number"))
    if not groups:
        yield Paragraph("No trial failed." if trials else "There are no trials yet.")
        return
    n = sum(map(len, groups.values()))
    yield Paragraph(
        f"{n} of {len(trials)} trials failed. Errors that differ in their numbers alone are counted as one."
    )
    rows: list[list[Any]] = [["trials", "error", "which"]]
    for found in sorted(groups.values(), key=len, reverse=True):
        more = f" and {len(found) - MOST_TRIALS} more" if len(found) > MOST_TRIALS else ""
        rows.append([len(found), found[-1][1], ", ".join(str(tid) for tid, _ in found[:MOST_TRIALS]) + more])
    yield ReportTable(rows)


def _corrections(experiment: Experiment, trials: Sequence[Trial]) -> Iterator[Block]:
    found = [(None, note) for note in experiment.state.notes]
    found += [(trial.tid, note) for trial in trials for note in trial.notes]  # type: ignore[misc]
    rows: list[list[Any]] = [["trial", "when", "who", "what", "reason"]]
    for tid, note in found:
        what = [
            *(["void"] if note.void else ["no longer void"] if note.void is False else []),
            *([f"amended: {dict(note.amend)}"] if note.amend else []),
            *(f"tag {tag}" for tag in note.tags or ()),
            *(["a late result of a lost attempt"] if note.late else []),
        ]
        if what or note.note:
            rows.append(["all" if tid is None else tid, note.at, note.person or note.by, ", ".join(what), note.note])
    if len(rows) == 1:
        yield Paragraph("None: no result was changed after the fact.")
        return
    yield Paragraph("Each is an event of the log, which keeps what was there before.")
    yield ReportTable(rows[: MOST_NOTES + 1])
    if len(rows) > MOST_NOTES + 1:
        yield Paragraph(f"and {len(rows) - MOST_NOTES - 1} more: `hstore log` has all")
