"""`hstore pause`, `hstore resume`, `hstore stop`: suspend an experiment, continue it, end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note
from hstore.cli.table import text, trials

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.search.control import Outcome
    from hstore.store.experiment import Experiment

WHY = click.option("--why", metavar="TEXT", help="The reason, for the log; your user name is recorded as well.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--now", is_flag=True, help="Requeue running trials at once.")
@WHY
@AS_JSON
@click.pass_obj
def pause(session: Session, experiment: str, now: bool, why: str | None, as_json: bool) -> None:
    """Pause EXPERIMENT: no new trials are suggested or started.

    Running trials continue to their ends. `hstore resume` ends the pause.

    \b
    hstore pause digits
    hstore pause digits --now --why "the cluster goes down at six"
    """
    from hstore.engine.search.control import pause as request
    from hstore.store.events import Paused, Requeued

    with session.experiment(experiment) as found:
        outcome = request(found, reason("paused", why), now=now)
        if as_json:
            print_json(outcome_data(found, outcome))
            return
    requeued = outcome.tids(Requeued)
    if outcome.status == "finished":
        _report(experiment, f"has finished ({text(outcome.why)}); nothing to pause", outcome, "stop")
        return
    news = "is paused" if outcome.has(Paused) else f"is already paused ({text(outcome.why)})"
    _report(experiment, news + (f"; requeued: {trials(requeued)}" if requeued else ""), outcome, "pause")


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@WHY
@AS_JSON
@click.pass_obj
def resume(session: Session, experiment: str, why: str | None, as_json: bool) -> None:
    """Continue EXPERIMENT after a pause or a stop.

    Workers start queued trials at once. New trials are suggested by the call of fmin that is still waiting, or by the
    same call made again.

    \b
    hstore resume digits
    """
    from hstore.engine.search.control import resume as request

    with session.experiment(experiment) as found:
        before = found.state.status
        outcome = request(found, reason("resumed", why))
        if as_json:
            print_json(outcome_data(found, outcome))
            return
    news = "is resumed" if outcome.written else "is open; nothing to resume"
    if outcome.written and before == "finished":
        news = "is open again; a call of fmin with its name suggests new trials"
    _report(experiment, news, outcome)


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--now", is_flag=True, help="Cancel running trials at once.")
@WHY
@AS_JSON
@click.pass_obj
def stop(session: Session, experiment: str, now: bool, why: str | None, as_json: bool) -> None:
    """End EXPERIMENT: queued trials are cancelled.

    Running trials continue to their ends. `hstore retry` queues a cancelled trial again; a call of fmin with the same
    name continues the search.

    \b
    hstore stop digits
    hstore stop digits --now
    """
    from hstore.engine.search.control import stop as request
    from hstore.store.events import Cancelled

    with session.experiment(experiment) as found:
        before = found.state.status
        outcome = request(found, reason("stopped", why), now=now)
        if as_json:
            print_json(outcome_data(found, outcome))
            return
    news = f"has already finished ({text(outcome.why)})" if before == "finished" else "is stopped"
    cancelled = outcome.tids(Cancelled)
    _report(experiment, news + (f"; cancelled: {trials(cancelled)}" if cancelled else ""), outcome, "stop")


def outcome_data(experiment: Experiment, outcome: Outcome) -> dict[str, Any]:
    """Return what a request led to, by the names that JSON has for it."""
    from hstore.store.events import Cancelled, Requeued

    return {
        "name": experiment.name, "status": outcome.status, "why": outcome.why, "changed": bool(outcome.written),
        "requeued": outcome.tids(Requeued), "cancelled": outcome.tids(Cancelled), "running": list(outcome.running),
    }  # fmt: skip


def reason(what: str, why: str | None) -> str:
    """Return the reason to record: *what* was done, by which user, and *why* if given."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        import os

        user = str(os.getuid())
    reason = f"{what} by {user}@{socket.gethostname()}"
    return f"{reason}: {why}" if why else reason


EFFECT_OF_NOW = {"pause": "requeues", "stop": "cancels"}


def _report(experiment: str, news: str, outcome: Outcome, command: str | None = None) -> None:
    running = list(outcome.running)
    if running and command is not None:
        them = "it" if len(running) == 1 else "them"
        news += f"; still running: {trials(running)}"
        news += f" (`hstore {command} {text(experiment)} --now` {EFFECT_OF_NOW[command]} {them})"
    print_note(f"{text(experiment)} {news}")
