"""`hstore status`: the progress of experiments, and who works on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from hstore.cli import colours
from hstore.cli.at import AT
from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import NO_EXPERIMENTS, as_of, is_terminal, print_json, print_text, redraw

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.experiment_summary import ExperimentSummary
    from hstore.store.store import Store

WAIT_SECONDS = 2.0
"""Ages are updated at least this often while nothing happens."""
REDRAW_SECONDS = 0.2
"""The shortest time between two views."""
ORDER = "queued reserved running done failed cancelled"
"""The order of the states of a trial."""


@click.command()
@click.argument("experiment", required=False, type=EXPERIMENT)
@click.option("--watch", "-w", is_flag=True, help="Update the view until the experiment has finished.")
@click.option("--exact", is_flag=True, help="Read every event of EXPERIMENT; the time grows with it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --watch, one per line and update.")
@AT
@click.pass_obj
def status(session: Session, experiment: str | None, watch: bool, exact: bool, as_json: bool, at: str | None) -> None:
    """Show the progress of EXPERIMENT, or one line for each experiment.

    Trials by state, the best result so far, the pace and the expected end; the connected workers, the trial that each
    of them holds, and when its last heartbeat came.

    \b
    hstore status
    hstore status digits
    hstore status digits --watch
    hstore status digits --at "2026-11-30 15:00"
    """
    if at is not None and (experiment is None or watch):
        raise click.UsageError("--at is of one experiment, and the past does not change: `hstore ls --at` lists all")
    if experiment is None:
        views = (_view_of_all(session.store, as_json) for _ in _rounds(watch))
        _show(views, watch, as_json)
        return
    with session.summary(experiment, exact=exact, at=at) as found:
        where = f"--store {found.experiment.store.url} " if session.url else ""
        starter = f"hstore {where}worker {experiment}"
        summaries = _changes(found, watch, as_json)
        _show((_view(each, as_json, starter) for each in summaries), watch, as_json)


def _rounds(watch: bool) -> Iterator[None]:
    """Yield once; with *watch* again and again, since a store as a whole has no news to wait for."""
    yield
    while watch:
        time.sleep(WAIT_SECONDS)
        yield


def _changes(summary: ExperimentSummary, watch: bool, as_json: bool) -> Iterator[ExperimentSummary]:
    """Yield *summary*; with *watch* a new one whenever the view of it differs, until the experiment has finished."""
    shows_ages = is_terminal() and not as_json
    yield summary
    while watch and not (summary.status == "finished" and not summary.experiment.state.open):
        is_news = summary.experiment.wait(WAIT_SECONDS)
        if is_news:
            time.sleep(REDRAW_SECONDS)
            is_news = bool(summary.experiment.refresh())
        if is_news or shows_ages:
            summary = summary.again()
            yield summary


def _show(views: Iterator[Any], watch: bool, as_json: bool) -> None:
    for number, view in enumerate(views):
        if as_json:
            print_json(view, indent=None if watch else 1)
        elif watch and is_terminal():
            redraw(view, is_first=number == 0)
        else:
            print_text(f"\n{view}" if number else view)


# -- one experiment -------------------------------------------------------------------------------------------


def _view(summary: ExperimentSummary, as_json: bool, starter: str) -> Any:
    from hstore.engine.search.survey import survey

    found = survey(summary)
    return found if as_json else _as_text(found, starter)


def _as_text(survey: dict[str, Any], starter: str) -> str:
    parts = (
        _heading(survey),
        _best(survey),
        _pace(survey),
        _workers(survey),
        _unreadable(survey),
        _set_aside(survey),
        as_of(survey["as_of_event"]),
        _next_step(survey, starter),
    )
    return "\n".join(line for lines in parts for line in lines)


def _heading(survey: dict[str, Any]) -> Iterator[str]:
    from hstore.cli.table import text

    reason = f" ({text(survey['why'])})" if survey["why"] else ""
    archived = f", {colours.state('archived')}" if survey["archived"] else ""
    yield f"experiment {text(survey['name'])}: {colours.state(text(survey['status']))}{reason}{archived}"
    if survey["title"]:
        yield f"title      {text(survey['title'])}"
    progress = f"; {survey['ended']} of {survey['of']} have ended" if survey["of"] else ""
    yield f"trials     {colours.counts(_counts(survey))}{progress}"


def _best(survey: dict[str, Any]) -> Iterator[str]:
    from hstore.cli.table import named, ranges, text

    if (best := survey["best"]) is not None:
        loss = best.get("loss", best["loss_kind"])
        yield f"best       trial {best['tid']}, loss {text(loss)}: {named(best['params'])}"
    if front := survey["pareto"]:
        yield f"Pareto front: {len(front)} trials, losses {ranges(front)}"


def _pace(survey: dict[str, Any]) -> Iterator[str]:
    if rate := survey["ends_per_minute"]:
        yield f"rate       {f'{rate:.3g}' if rate < 1000 else f'{rate:,.0f}'} trials per minute{_expected_end(survey)}"


def _expected_end(survey: dict[str, Any]) -> str:
    if survey["ends_at"] is None:
        return ""
    if not survey["seconds_left"]:
        return "; all have ended"
    return f"; done in {span(survey['seconds_left'])}, at {survey['ends_at']:%Y-%m-%d %H:%M} UTC"


def _workers(survey: dict[str, Any]) -> Iterator[str]:
    """Yield a table with a row for each trial that is held, and one for each worker that holds none."""
    from hstore.cli.table import render

    rows: list[list[Any]] = [["worker", "state", "trial", "elapsed", "last heartbeat"]]
    unclaimed = list(survey["held"])
    for worker in survey["workers"]:
        mine = [each for each in unclaimed if each["worker"] == worker["name"]]
        unclaimed = [each for each in unclaimed if each["worker"] != worker["name"]]
        ages = [worker["heartbeat_age"], *(each["heartbeat_age"] for each in mine)]
        last = ago(min((age for age in ages if age is not None), default=None))
        state = "busy" if mine and worker["state"] == "idle" else worker["state"]  # workers report it with a delay
        rows += [[worker["name"], state, each["tid"], span(each["seconds"]), last] for each in mine]
        if not mine:
            rows.append([worker["name"], state, None, None, last])
    for each in unclaimed:  # of a search in one process, which announces no worker, or of a worker that may have died
        state = "silent" if each["is_silent"] else None
        rows.append([each["worker"], state, each["tid"], span(each["seconds"]), ago(each["heartbeat_age"])])
    if len(rows) > 1:
        yield render(rows)


def _unreadable(survey: dict[str, Any]) -> Iterator[str]:
    from hstore.cli.table import text

    for each in survey["unreadable"]:
        whose = "the experiment" if each["tid"] is None else f"trial {each['tid']}"
        yield f"{whose} cannot go on here: its event {each['ver']} cannot be read by this program: {text(each['why'])}"


def _set_aside(survey: dict[str, Any]) -> Iterator[str]:
    from hstore.cli.table import aside

    yield from aside(survey["name"], survey["set_aside"])


def _next_step(survey: dict[str, Any], starter: str) -> Iterator[str]:
    from hstore.cli.table import text

    queued = survey["counts"].get("queued", 0)
    is_idle = not survey["workers"] and all(each["is_silent"] for each in survey["held"])
    if survey["status"] == "open" and queued and is_idle:
        waiting = "1 trial is" if queued == 1 else f"{queued} trials are"
        yield f"{waiting} queued and no worker is connected; start one with `{text(starter)}`"
    if survey["status"] == "paused":
        yield f"continue with `hstore resume {text(survey['name'])}`"


def _counts(survey: dict[str, Any]) -> str:
    from hstore.cli.table import counted

    ordered = sorted(survey["counts"].items(), key=lambda item: ORDER.find(item[0]))
    return counted(dict(ordered), survey.get("pruned")) or "none yet"


# -- all experiments ------------------------------------------------------------------------------------------


def _view_of_all(store: Store, as_json: bool) -> Any:
    from hstore.engine.search.survey import survey_all

    found = survey_all(store)
    return found if as_json else f"{_experiments(found['experiments'])}\n{_all_workers(found['workers'])}"


def _experiments(experiments: list[dict[str, Any]]) -> str:
    from hstore.cli.table import render

    if not experiments:
        return NO_EXPERIMENTS
    rows: list[list[Any]] = [["experiment", "status", "reason", "trials", "best loss", "last event (UTC)"]]
    for each in experiments:
        best = each["best"]
        loss = best.get("loss", best.get("loss_kind"))
        if loss is None and (front := each.get("pareto")):
            loss = f"front of {len(front)}"
        last = each.get("last", {}).get("at")
        rows.append([each["name"], each["status"], each.get("why"), _counts(each), loss, last])
    return render(rows, drop=("last event (UTC)", "reason", "trials"))


def _all_workers(workers: list[dict[str, Any]]) -> str:
    from hstore.cli.table import render

    if not workers:
        return "no worker is connected"
    rows: list[list[Any]] = [["worker", "state", "serves", "trials", "last heartbeat"]]
    for worker in workers:
        holds = ", ".join(f"{hold.get('exp')} {hold.get('tid')}" for hold in worker["holds"] or ())
        served = ", ".join(map(str, worker["experiments"] or ()))
        rows.append([worker["name"], worker["state"], served, holds or None, ago(worker["heartbeat_age"])])
    return f"\n{render(rows)}"


# -- times ----------------------------------------------------------------------------------------------------


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
