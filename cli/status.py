"""`hstore status`: how searches stand, who works on them, and until when."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.store import Experiment, Store

WAIT_SECONDS = 2.0
"""Ages are shown anew at least this often while nothing happens."""
REDRAW_SECONDS = 0.2
"""Nobody reads faster."""
CLEAR = "\x1b[2J"
TOLD = ("status", "why", "counts", "pruned", "trials", "limits", "best", "pareto", "last")
"""What JSON says of an experiment as its document does."""
ORDER = "queued reserved running done failed cancelled"
"""How states follow each other."""


@click.command()
@click.argument("experiment", required=False)
@click.option("--watch", "-w", is_flag=True, help="Show it again as it changes, until the search has finished.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --watch one a line.")
@click.pass_obj
def status(session: Session, experiment: str | None, watch: bool, as_json: bool) -> None:
    """Say how EXPERIMENT stands, or in a few words all of them.

    Trials by state, the best so far, how fast it goes and when it will be done; which workers are there, which trial
    each of them holds and when it was last heard of.

    \b
    hstore status
    hstore status digits
    hstore status digits --watch
    """
    if experiment is None:
        show = _all_as_json if as_json else _all_as_text
        views = (show(session.store) for _ in _rounds(watch))
        _show(views, watch, as_json)
        return
    with session.experiment(experiment) as found:
        where = f"--store {session.store.url} " if session.url else ""
        _show(_views(found, watch, as_json, f"hstore {where}worker {experiment}"), watch, as_json)


def _rounds(watch: bool) -> Iterator[None]:
    """Yield once, or once in a while for ever: all of a store has no news to wait for."""
    yield
    while watch:
        time.sleep(WAIT_SECONDS)
        yield


def _views(experiment: Experiment, watch: bool, as_json: bool, starter: str) -> Iterator[str]:
    """Yield how *experiment* stands, and if asked to *watch* again whenever that is another, until it has finished."""
    is_ages = sys.stdout is not None and sys.stdout.isatty() and not as_json
    yield _view(experiment, as_json, watch, starter)
    while watch and not (experiment.state.status == "finished" and not experiment.state.open):
        if experiment.wait(WAIT_SECONDS):
            time.sleep(REDRAW_SECONDS)
            if experiment.refresh() or is_ages:
                yield _view(experiment, as_json, watch, starter)
        elif is_ages:
            yield _view(experiment, as_json, watch, starter)


def _view(experiment: Experiment, as_json: bool, is_line: bool, starter: str) -> str:
    survey = _survey(experiment)
    return _as_json(survey, is_line) if as_json else _as_text(survey, starter)


def _show(views: Iterator[str], watch: bool, as_json: bool) -> None:
    is_screen = watch and not as_json and sys.stdout is not None and sys.stdout.isatty()
    for number, view in enumerate(views):
        if is_screen:
            # Line by line over what was there: clearing first would flicker.
            width, height = shutil.get_terminal_size()
            lines = [line if len(line) < width else f"{line[: width - 2]}…" for line in view.splitlines()[: height - 1]]
            drawn = "".join(f"{line}\x1b[K\n" for line in lines)
            click.echo(f"\x1b[H{'' if number else CLEAR}{drawn}\x1b[J", nl=False)
        else:
            click.echo(f"\n{view}" if number and not as_json else view)


# -- one experiment -------------------------------------------------------------------------------------------


def _survey(experiment: Experiment) -> dict[str, Any]:
    """Return all there is to say of *experiment*, as JSON names it."""
    from hstore.cli.eta import pace
    from hstore.store.read_models import experiment_document
    from hstore.store.store import now

    state, moment = experiment.state, now()
    document = experiment_document(state)
    going = pace(state, moment)
    is_open = state.status == "open"
    left = going.left if is_open else None
    survey = {
        "name": document.pop("_id"),
        **{name: document.get(name) for name in TOLD},
        "ended": going.ended,
        "of": going.of,
        "ends_per_minute": going.per_minute if is_open else None,
        "seconds_left": None if left is None else left.total_seconds(),
        "ends_at": None if left is None else moment + left,
        "held": (held := _held(experiment, moment)),
        "workers": [],
    }
    # Of a search that has finished workers take nothing, but they may still hold what they took.
    holders = {each["worker"] for each in held}
    there = [_worker(document) for document in experiment.store.claims.workers()]
    survey["workers"] = [w for w in there if experiment.name in (w["experiments"] or ()) or w["name"] in holders]
    return survey


def _held(experiment: Experiment, moment: dt.datetime) -> list[dict[str, Any]]:
    """Return who holds which trial, since when by the holder's clock, and when that was last confirmed."""
    leases = {held.tid: held for held in experiment.store.claims.held([experiment.name])}
    told = []
    for tid in sorted(experiment.state.open):
        trial = experiment.state.trials[tid]
        if trial.reserved is not None:
            lease = leases.get(tid)
            told.append(
                {
                    "tid": tid,
                    "worker": trial.reserved.worker,
                    "attempt": trial.attempt,
                    "seconds": max(0.0, (moment - trial.reserved.at).total_seconds()),
                    "heartbeat_age": lease.age if lease else None,
                    "is_silent": lease.is_over if lease else False,
                }
            )
    return told


def _worker(document: dict[str, Any]) -> dict[str, Any]:
    names = ("host", "pid", "state", "slots", "since", "experiments", "holds")
    return {
        "name": document["_id"], **{name: document.get(name) for name in names}, "heartbeat_age": document["age"],
    }  # fmt: skip


def _as_json(survey: Any, is_line: bool) -> str:
    import json

    from hstore.cli.table import for_json

    return json.dumps(for_json(survey), indent=None if is_line else 1)


def _as_text(survey: dict[str, Any], starter: str) -> str:
    from hstore.cli.table import named, plain, ranges, render, text

    why, best = survey["why"], survey["best"]
    lines = [
        f"experiment {survey['name']}: {survey['status']}" + (f" ({plain(why)})" if why else ""),
        f"trials     {_counts(survey)}" + (f"; {survey['ended']} of {survey['of']} have ended" if survey["of"] else ""),
    ]
    if best is not None:
        loss = best.get("loss", best["loss_kind"])
        lines.append(f"best       trial {best['tid']}, loss {text(loss)}: {named(best['params'])}")
    if front := survey["pareto"]:
        lines.append(f"front      {len(front)} trials than which none is better in everything: losses {ranges(front)}")
    if rate := survey["ends_per_minute"]:
        lines.append(f"rate       {f'{rate:.3g}' if rate < 1000 else f'{rate:,.0f}'} a minute" + _until(survey))
    held = {(each["worker"], each["tid"]): each for each in survey["held"]}
    rows: list[list[Any]] = [["worker", "state", "trial", "for", "last heard of"]]
    for worker in survey["workers"]:
        mine = [held.pop(key) for key in list(held) if key[0] == worker["name"]]
        ages = [worker["heartbeat_age"], *(each["heartbeat_age"] for each in mine)]
        last = ago(min(age for age in ages if age is not None))
        state = "busy" if mine and worker["state"] == "idle" else worker["state"]  # it says so only now and then
        rows += [[worker["name"], state, each["tid"], span(each["seconds"]), last] for each in mine]
        if not mine:
            rows.append([worker["name"], state, None, None, last])
    for each in held.values():  # a search in one process says no more than that; a worker may have died
        told = "silent" if each["is_silent"] else "-"
        rows.append([each["worker"], told, each["tid"], span(each["seconds"]), ago(each["heartbeat_age"])])
    if len(rows) > 1:
        lines.append(render(rows))
    queued = survey["counts"].get("queued", 0)
    if survey["status"] == "open" and queued and not survey["workers"] and all(h["is_silent"] for h in held.values()):
        waiting = "a trial is" if queued == 1 else f"{queued} trials are"
        lines.append(f"{waiting} queued and no worker is connected: `{starter}` starts one")
    if survey["status"] == "paused":
        lines.append(f"`hstore resume {survey['name']}` lets it go on")
    return "\n".join(lines)


def _counts(survey: dict[str, Any]) -> str:
    from hstore.cli.table import counted

    there = sorted(survey["counts"].items(), key=lambda item: ORDER.find(item[0]))
    return counted(dict(there), survey.get("pruned")) or "none yet"


def _until(survey: dict[str, Any]) -> str:
    if survey["ends_at"] is None:
        return ""
    if not survey["seconds_left"]:
        return ", all have ended"
    return f", done in {span(survey['seconds_left'])}, at {survey['ends_at']:%Y-%m-%d %H:%M} UTC"


# -- all experiments ------------------------------------------------------------------------------------------


def _survey_all(store: Store) -> dict[str, Any]:
    tally = store.models.tally()
    experiments = []
    for document in store.models.overview():
        states = tally.get(name := document.pop("_id"), {})
        best = dict(document.get("best", {}))
        loss = states.get("done", (0, None))[1]
        if loss is not None and loss != best.get("loss"):  # of which trial, its driver has not said yet
            best = {"loss": loss, "loss_kind": "finite"}
        counts = {state: n for state, (n, _) in states.items()}
        experiments.append({"name": name, **document, "counts": counts, "best": best})
    return {"experiments": experiments, "workers": [_worker(document) for document in store.claims.workers()]}


def _all_as_json(store: Store) -> str:
    return _as_json(_survey_all(store), False)


def _all_as_text(store: Store) -> str:
    from hstore.cli.table import render

    survey = _survey_all(store)
    if not survey["experiments"]:
        lines = ["there are no experiments yet: fmin(…, experiment='name') begins one"]
    else:
        rows: list[list[Any]] = [["experiment", "status", "why", "trials", "best loss", "last event (UTC)"]]
        for each in survey["experiments"]:
            best = each["best"]
            loss = best.get("loss", best.get("loss_kind"))
            if loss is None and (front := each.get("pareto")):
                loss = f"front of {len(front)}"
            rows.append([each["name"], each["status"], each.get("why"), _counts(each), loss,
                         each.get("last", {}).get("at")])  # fmt: skip
        lines = [render(rows)]
    if survey["workers"]:
        rows = [["worker", "state", "for", "trials", "last heard of"]]
        for worker in survey["workers"]:
            holds = ", ".join(f"{hold.get('exp')} {hold.get('tid')}" for hold in worker["holds"] or ())
            served = ", ".join(worker["experiments"] or ())
            rows.append([worker["name"], worker["state"], served, holds or None, ago(worker["heartbeat_age"])])
        lines += ["", render(rows)]
    else:
        lines.append("no worker is connected")
    return "\n".join(lines)


# -- words ----------------------------------------------------------------------------------------------------


def span(seconds: float | None) -> str | None:
    """Return *seconds* as people say them: 4.2 s, 42 s, 3 min, 5 h 20 min, 3 d 4 h."""
    if seconds is None:
        return None
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes <= 90:
        return f"{minutes} min"
    unit, part, names = (60, 1, ("h", "min")) if minutes < 48 * 60 else (24 * 60, 60, ("d", "h"))
    whole, rest = minutes // unit, minutes % unit // part
    return f"{whole} {names[0]}" + (f" {rest} {names[1]}" if rest else "")


def ago(seconds: float | None) -> str | None:
    """Return when something was that is *seconds* old."""
    return None if seconds is None else f"{span(seconds)} ago"
