"""`hstore show`: an experiment, or one of its trials."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hstore.cli.session import Session
    from hstore.store.fold import Trial
    from hstore.store.store import Experiment

LATEST, FRONT = 10, 20


@click.command()
@click.argument("experiment")
@click.argument("tid", type=int, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(session: Session, experiment: str, tid: int | None, as_json: bool) -> None:
    """Show EXPERIMENT, or its trial TID.

    \b
    hstore show digits
    hstore show digits 7
    """
    with session.experiment(experiment) as found:
        if tid is None:
            shown = _as_json(_experiment_data(found)) if as_json else _experiment_text(found)
        else:
            found.chain(tid)  # says so if there is no such trial
            trial = found.state.trials[tid]
            shown = _as_json(_trial_data(found, trial)) if as_json else _trial_text(found, trial)
    click.echo(shown)


def _as_json(data: dict[str, Any]) -> str:
    from hstore.cli.table import for_json

    return json.dumps(for_json(data), indent=1)


def _experiment_data(experiment: Experiment) -> dict[str, Any]:
    from hstore.store.read_models import experiment_document, trial_document

    document = experiment_document(experiment.state)
    trials = [trial_document(trial) for trial in experiment.trials]
    for trial in trials:
        del trial["_id"]
    return {
        "name": document.pop("_id"),
        **document,
        "space": _space(experiment),
        "head": experiment.head,
        "trials": trials,
    }


def _space(experiment: Experiment) -> dict[str, str]:
    from hstore.engine.space import Space

    created = experiment.state.created
    if created is None:
        return {}
    space = Space.from_data(created.space)
    return {p.label: space.describe(p.label) for p in sorted(space, key=lambda p: p.label)}


def _algorithm(described: Mapping[str, Any]) -> str:
    from hstore.cli.table import named

    settings = dict(described.get("settings", {}))
    parts = settings.pop("p_suggest", ())  # of a mix: probabilities and algorithms
    shown = f"{described.get('name')} {named(settings)}".rstrip()
    return " of ".join(filter(None, (shown, ", ".join(f"{p:g} {_algorithm(part)}" for p, part in parts))))


def _experiment_text(experiment: Experiment) -> str:
    from hstore.cli.table import counted, named, numbers, plain, render, text
    from hstore.store.events import happened

    state, best = experiment.state, experiment.state.best
    status = f"{state.status} ({state.why})" if state.why else state.status
    counts = counted(state.counts, state.pruned) or "no trials yet"
    lines = [
        f"experiment {experiment.name}: {status}",
        f"algorithm  {_algorithm(state.algorithm)}",
        *([f"pruner     {_algorithm(state.pruner)}"] if state.pruner else []),
        f"trials     {counts}",
        f"head       {experiment.head.hex()}",
        "space",
        *(f"  {label}: {line}" for label, line in _space(experiment).items()),
    ]
    if state.unreadable:
        lines.append(f"unreadable {', '.join(f'trial {e.tid} event {e.ver}' for e in state.unreadable)}")
    if best is not None:
        lines += [f"best       trial {best.tid}, loss {text(best.loss)}"]
        lines += [f"  {label} = {plain(value)}" for label, value in best.params.items()]
    if front := state.pareto:
        lines.append(f"front      {len(front)} trials than which none is better in everything")
        ordered = sorted(front, key=lambda trial: tuple(trial.losses or ()))
        table: list[list[Any]] = [["trial", "losses", "parameters"]]
        table += [[t.tid, numbers(t.losses), named(dict(t.params))] for t in ordered[:FRONT]]
        lines += [render(table), *([f"and {len(front) - FRONT} more"] if len(front) > FRONT else [])]
    if experiment.trials:
        rows: list[list[Any]] = [["trial", "state", "loss", "s", "ended (UTC)", "parameters"]]
        for trial in experiment.trials[-LATEST:]:
            ended = happened(trial.end) if trial.end else None
            told = numbers(trial.losses) or ("pruned" if trial.is_pruned else trial.status)
            loss = told if trial.loss is None else trial.loss
            rows.append([trial.tid, trial.state, loss, _seconds(trial.duration), ended, named(dict(trial.params))])
        lines += [f"latest {min(LATEST, len(experiment.trials))} of {len(experiment.trials)} trials", render(rows)]
    return "\n".join(lines)


def _trial_data(experiment: Experiment, trial: Trial) -> dict[str, Any]:
    from hstore.store.read_models import trial_document

    document = trial_document(trial)
    del document["_id"]
    events: list[dict[str, Any]] = [
        {"ver": e.ver, "type": e.type, "at": e.at, "by": e.by}
        | ({} if e.imported is None else {"imported": e.imported})
        for e in experiment.chain(trial.tid)
    ]
    result = {} if trial.result is None else {"result": dict(trial.result)}
    attachments = {name: {**a, "sha256": a["sha256"].hex()} for name, a in trial.attachments.items()}
    traceback = getattr(trial.end, "traceback", None)
    return {**document, **result, "attachments": attachments, "traceback": traceback, "events": events}


def _trial_text(experiment: Experiment, trial: Trial) -> str:
    from hstore.cli.table import numbers, plain, render, text
    from hstore.store.events import happened

    lines = [f"trial {trial.tid} of {experiment.name}: {trial.state}"]
    if trial.queued is not None and trial.queued.source != "suggested":
        lines.append(f"{trial.queued.source}, not suggested by an algorithm")
    if trial.loss is not None:
        lines.append(f"loss {text(trial.loss)} ({trial.status})")
    if trial.losses:
        lines.append(f"losses {numbers(trial.losses)} ({trial.status})")
    if trial.constraints:
        lines.append(f"constraints {numbers(trial.constraints)}: {'kept' if trial.is_feasible else 'violated'}")
    if trial.is_pruned:
        step, value = trial.last_report or (None, None)
        lines.append(f"pruned at step {text(step)}, value {text(value)}")
    if (said := trial.queued.imported if trial.queued else None) is not None:
        # Of a log that anybody can write to: it may say anything.
        since = f"{trial.queued.at:%Y-%m-%d %H:%M:%S}" if trial.queued else ""
        whose = plain(f"{said.get('from')}'s tid {said.get('tid')}")
        lines.append(f"imported from {whose} on {since}; its times are shown where it had them")
    if trial.is_void:
        lines.append("void: no algorithm sees it")
    if trial.tags:
        lines.append(f"tags {', '.join(trial.tags)}")
    lines.append("parameters")
    for label, value in trial.params.items():
        raw = trial.point.get(label)
        lines.append(f"  {label} = {plain(value)}" + ("" if raw == value else f"  (in the point: {plain(raw)})"))
    rows: list[list[Any]] = [["ver", "event", "at (UTC)", "by"]]
    rows += [[e.ver, e.type, f"{happened(e):%Y-%m-%d %H:%M:%S.%f}"[:-3], e.by] for e in experiment.chain(trial.tid)]
    lines += ["events", render(rows)]
    if trial.result is not None:
        lines += ["result", *(f"  {name} = {_short(value)}" for name, value in trial.result.items())]
    if trial.attachments:
        lines += ["attachments", *(f"  {name}: {a['length']} bytes" for name, a in trial.attachments.items())]
    if trial.error:
        traceback = getattr(trial.end, "traceback", None) or ""
        lines += [plain(trial.error), *map(plain, traceback.splitlines())]
    return "\n".join(lines)


def _seconds(duration: float | None) -> str | None:
    return None if duration is None else f"{duration:.3g}"


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 200 else shown[:197] + "…"
