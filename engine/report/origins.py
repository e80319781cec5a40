"""What a report says of where a search came from, how it can be verified, and which checklists that answers."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hstore.engine.algorithms import recorded_algorithm, why_unknown
from hstore.engine.evaluation.objective_change import describe_change
from hstore.engine.provenance import recorded
from hstore.engine.report.checklist import items
from hstore.engine.report.counts import attempts, counted, hosts
from hstore.engine.report.document import Block, Lines, NamedValues, Paragraph, ReportTable
from hstore.store.events import Changed
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial
from hstore.store.verify import Report

SEEDS_SHOWN = 5


def seeds_section(experiment: Experiment, trials: Sequence[Trial]) -> Iterator[Block]:
    """Yield where the seeds come from."""
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


def code_section(experiment: Experiment) -> Iterator[Block]:
    """Yield which code was searched with."""
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
            yield Paragraph(f"Note: {describe_change(change)}.")
    if len(recorded.recorded(experiment)) > 1:
        yield Paragraph("Code or environment changed on the way: `hstore show --provenance` has each state.")
    hashes = recorded.hashes_of(said)
    if hashes:
        kept = "their text is in the log" if "sha256" in recorded.part(said, "source") else "their text was not kept"
        yield Paragraph(f"Files of the project that the objective uses, by SHA-256; {kept}.")
        yield ReportTable([["file", "SHA-256"], *([path, digest] for path, digest in hashes.items())])


def environment_section(
    experiment: Experiment, trials: Sequence[Trial], packages: Mapping[str, str]
) -> Iterator[Block]:
    """Yield on which machine, and what was installed."""
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
            ("trials evaluated by", counted(pythons) or None),
            ("installed distributions", len(packages) or None),
        ]
    )  # fmt: skip
    if packages:
        lines = "\n".join(f"{name}=={version}" for name, version in packages.items())
        yield Lines(lines, "All installed distributions, as a requirements file")


def evidence_section(experiment: Experiment, checked: Report, file: str | None) -> Iterator[Block]:
    """Yield what the digests say, and how to verify it."""
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


def checklist_section(experiment: Experiment, trials: Sequence[Trial], packages: Mapping[str, str]) -> Iterator[Block]:
    """Yield the items of checklists, with answers."""
    state = experiment.state
    durations = [trial.duration for trial in trials if trial.duration is not None]
    points = Counter(repr(sorted(trial.point.items(), key=str)) for trial in trials)
    repeated = sum(n > 1 for n in points.values())
    said = state.provenance
    prints = {} if state.created is None else state.created.fingerprint
    found = items(
        {
            "commit": recorded.part(said, "git").get("commit"), "source": recorded.hashes_of(said),
            "attempts": attempts(experiment, trials), "trials": len(trials),
            "seeds": any(trial.queued and trial.queued.seed is not None for trial in trials),
            "runtime": f"{math.fsum(durations):.6g} s of evaluation in all" if durations else "no trial has a duration",
            "hosts": len(hosts(trials)), "machine": said.get("platform") or prints.get("machine"),
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
