"""What a report says of a search, section by section, from its log alone."""

from __future__ import annotations

import math
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hstore.engine.algorithms import recorded_algorithm, why_unknown
from hstore.engine.audit.comparison import BUDGETS
from hstore.engine.evaluation.objective_change import told
from hstore.engine.provenance import recorded
from hstore.engine.report.checklist import items
from hstore.engine.report.document import (
    Block,
    Lines,
    NamedValues,
    Paragraph,
    ReportTable,
    Section,
    WrittenReport,
)
from hstore.engine.report.pictures import pictures
from hstore.engine.space import Space
from hstore.store.errors import HstoreError
from hstore.store.events import Changed, Requeued, Reserved, happened
from hstore.store.experiment import Experiment
from hstore.store.failures import failure_of, kind_of
from hstore.store.fold import Trial
from hstore.store.verify import Report, verify

MOST_FRONT, MOST_OPTIONS, MOST_TRIALS, MOST_NOTES = 50, 8, 12, 200
"""How many trials of a front, options of a choice, trials of a kind of failure, and notes are listed."""
SEEDS_SHOWN = 5


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
        Section("Seeds", list(_seeds(experiment, trials))),
        Section("Code", list(_code(experiment))),
        Section("Environment", list(_environment(experiment, trials, packages))),
        Section("Evidence", list(_evidence(experiment, checked, file))),
        Section("Figures", list(pictures(experiment)) if with_figures else [Paragraph("Left out.")]),
        Section("Checklist", list(_checklist(experiment, trials, packages))),
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
    left_out = f" Not ranked, by reason: {_counted(unranked)}." if unranked else ""
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
            ("by state", _counted(state.counts) or None),
            ("stopped early by the pruner", state.pruned or None),
            ("by origin", _counted(sources) or None),
            ("evaluations, retries included", _attempts(experiment, trials)),
            ("put back to the queue, by cause", _counted(_requeued(experiment, trials)) or None),
            ("seconds of evaluation, the last attempt of each trial", math.fsum(durations) if durations else None),
            ("seconds of a trial, mean", math.fsum(durations) / len(durations) if durations else None),
            ("begun", begun), ("last event", ended),
            ("hosts that evaluated", ", ".join(_hosts(trials)) or None),
        ]
    )  # fmt: skip


def _span(experiment: Experiment) -> tuple[Any, Any]:
    created, last = experiment.state.created, experiment.state.last
    return (None if created is None else happened(created)), (None if last is None else happened(last))


def _attempts(experiment: Experiment, trials: Sequence[Trial]) -> int:
    return sum(isinstance(event, Reserved) for trial in trials for event in experiment.chain(trial.tid))


def _requeued(experiment: Experiment, trials: Sequence[Trial]) -> Counter[str]:
    chains = (experiment.chain(trial.tid) for trial in trials)
    return Counter(e.cause or "by a person" for chain in chains for e in chain if isinstance(e, Requeued))


def _hosts(trials: Iterable[Trial]) -> list[str]:
    return sorted({trial.reserved.host for trial in trials if trial.reserved is not None})


def _counted(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n)


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


# -- seeds, code, environment ---------------------------------------------------------------------------------


def _seeds(experiment: Experiment, trials: Sequence[Trial]) -> Iterator[Block]:
    state = experiment.state
    if state.created is None:
        return
    seeds = [(trial.tid, trial.queued.seed) for trial in trials if trial.queued and trial.queued.seed is not None]
    yield NamedValues(
        [
            ("generator", state.created.generator.get("name") or state.created.generator.get("bit_generator")),
            (
                "seeds of the first decisions",
                ", ".join(f"trial {tid}: {seed}" for tid, seed in seeds[:SEEDS_SHOWN]) or None,
            ),
            ("same points on every machine", _portable(state.algorithm)),
        ]
    )
    yield Paragraph(
        "The seed of the k-th suggestion is the k-th draw of the generator, whose state is in the log. With what each "
        "decision knew, which is there too, `hstore replay` makes every suggestion again. Seeds that the objective "
        "itself uses are not known."
    )


def _portable(algorithm: Mapping[str, Any]) -> str:
    if (why := why_unknown(algorithm)) is not None:
        return f"unknown: chosen by {why}"
    if recorded_algorithm(algorithm).is_portable_with(algorithm.get("settings") or {}):
        return "yes, to the last bit"
    return "to the last bit on machines that round alike; elsewhere replay tells equivalent points from different ones"


def _code(experiment: Experiment) -> Iterator[Block]:
    state = experiment.state
    said, objective = state.provenance, state.objective
    git = recorded.part(said, "git")
    dirty = git.get("dirty")
    yield NamedValues(
        [
            ("objective", objective.get("ref") or objective.get("name")),
            ("version of its code", objective.get("version")),
            ("git commit", git.get("commit") or f"not known: {git.get('unknown', 'nothing is recorded')}"),
            ("branch", git.get("branch")), ("repository", git.get("remote")),
            ("changed since the commit", None if dirty is None else bool(dirty)),
            ("the diff is in the log", True if "diff" in said else None),
            ("command", recorded.command_of(said) or None),
        ]
    )  # fmt: skip
    for event in experiment.chain(None) if state.ver >= 0 else ():
        change = (event.objective or {}).get("change") if isinstance(event, Changed) else None
        if isinstance(change, Mapping):
            yield Paragraph(f"Note: {told(change)}.")
    if len(recorded.recorded(experiment)) > 1:
        yield Paragraph("Code or environment changed on the way: `hstore show --provenance` has each state.")
    hashes = recorded.hashes_of(said)
    if hashes:
        kept = "their text is in the log" if "sha256" in recorded.part(said, "source") else "their text was not kept"
        yield Paragraph(f"Files of the project that the objective uses, by SHA-256; {kept}.")
        yield ReportTable([["file", "SHA-256"], *([path, digest] for path, digest in hashes.items())])


def _environment(experiment: Experiment, trials: Sequence[Trial], packages: Mapping[str, str]) -> Iterator[Block]:
    created, said = experiment.state.created, experiment.state.provenance
    if created is None:
        return
    prints = created.fingerprint
    pythons = Counter(f"Python {trial.running.python}" for trial in trials if trial.running is not None)
    yield NamedValues(
        [
            ("host", said.get("host")), ("user", said.get("user")),
            ("platform", said.get("platform") or f"{prints.get('system')} {prints.get('machine')}"),
            ("Python", prints.get("python")), ("hstore", prints.get("hstore")), ("numpy", prints.get("numpy")),
            ("scipy", prints.get("scipy")), ("CPU features", ", ".join(map(str, prints.get("cpu") or ())) or None),
            ("trials evaluated by", _counted(pythons) or None),
            ("installed distributions", len(packages) or None),
        ]
    )  # fmt: skip
    if packages:
        lines = "\n".join(f"{name}=={version}" for name, version in packages.items())
        yield Lines(lines, "All installed distributions, as a requirements file")


# -- evidence, checklist --------------------------------------------------------------------------------------


def _evidence(experiment: Experiment, checked: Report, file: str | None) -> Iterator[Block]:
    name = shlex.quote(experiment.name)
    head = checked.head.hex()
    if checked.findings:
        first = checked.findings[0].message
        yield Paragraph(f"The log does not match its digests: {first}. {len(checked.findings)} findings in all.")
    else:
        yield Paragraph("Every digest of the log was computed again for this report, and matches.")
    yield NamedValues(
        [
            ("head", head or "none: trials are missing"), ("events", checked.events), ("decisions", checked.decisions),
            ("digest of the last decision", checked.decision_digest.hex()),
            ("heads that the log itself records", len(checked.recorded)),
            ("signed by a key", _signed(experiment)),
        ]
    )  # fmt: skip
    yield Paragraph(
        "The head commits to every event. Keep this report, or only the head, where it cannot be changed. With it, a "
        "person who has the log can show that nothing before it was changed:"
    )
    of = shlex.quote(file) if file else name
    commands = [f"hstore verify {of}" + (f" --head {head}" if head else ""), f"hstore replay {of}"]
    if file is None:
        commands.append(f"hstore export {name} -o FILE.hstore    # all of it in one file; verify and replay take that")
    yield Lines("\n".join(commands))


def _signed(experiment: Experiment) -> str:
    macs = sum(event.mac is not None for event in experiment.events)
    return "all events" if macs == len(experiment.events) and macs else f"{macs} of {len(experiment.events)} events"


def _checklist(experiment: Experiment, trials: Sequence[Trial], packages: Mapping[str, str]) -> Iterator[Block]:
    state = experiment.state
    durations = [trial.duration for trial in trials if trial.duration is not None]
    points = Counter(repr(sorted(trial.point.items(), key=str)) for trial in trials)
    repeated = sum(n > 1 for n in points.values())
    said = state.provenance
    prints = {} if state.created is None else state.created.fingerprint
    found = items(
        {
            "commit": recorded.part(said, "git").get("commit"), "source": recorded.hashes_of(said),
            "attempts": _attempts(experiment, trials), "trials": len(trials),
            "seeds": any(trial.queued and trial.queued.seed is not None for trial in trials),
            "runtime": f"{math.fsum(durations):.6g} s of evaluation in all" if durations else "no trial has a duration",
            "hosts": len(_hosts(trials)), "machine": said.get("platform") or prints.get("machine"),
            "packages": len(packages), "attachments": sum(len(trial.attachments) for trial in trials),
            "has_repeats": repeated > 0,
            "repeats": f"{repeated} points were evaluated more than once; repeated searches have logs of their own"
            if repeated
            else "each point was evaluated once; repeated searches have logs of their own",
        }
    )  # fmt: skip
    n = Counter(each.is_answered for each in found)
    yield Paragraph(
        f"Of {len(found)} items of the usual checklists the log answers {n['yes']}, {n['in part']} in part, and "
        f"{n['no']} not: these are yours to answer. The items are put in our words."
    )
    yield ReportTable(
        [
            ["item", "answered", "by the log", "asked for by"],
            *([each.question, each.is_answered, each.answer, each.sources] for each in found),
        ]
    )
