"""`hstore pause`, `hstore resume`, `hstore stop`: what everyone at work on a search is to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.search.control import Outcome

WHY = click.option("--why", metavar="TEXT", help="The reason, for the log; who asked is recorded anyway.")


@click.command()
@click.argument("experiment")
@click.option("--now", is_flag=True, help="Requeue running trials instead of letting them end.")
@WHY
@click.pass_obj
def pause(session: Session, experiment: str, now: bool, why: str | None) -> None:
    """Suggest and take nothing of EXPERIMENT for now.

    Until `hstore resume`. Trials that are running go on to their ends.

    \b
    hstore pause digits
    hstore pause digits --now --why "the cluster goes down at six"
    """
    from hstore.engine.search.control import pause as ask
    from hstore.store.events import Paused, Requeued

    with session.experiment(experiment) as found:
        outcome = ask(found, reason("paused", why), now=now)
    requeued = outcome.tids(Requeued)
    if outcome.status == "finished":
        _tell(experiment, f"has finished ({outcome.why}): there is nothing to pause", outcome, "stop")
        return
    told = "is paused" if outcome.has(Paused) else f"was paused already ({outcome.why})"
    _tell(experiment, told + (f"; requeued: {trials(requeued)}" if requeued else ""), outcome, "pause")


@click.command()
@click.argument("experiment")
@WHY
@click.pass_obj
def resume(session: Session, experiment: str, why: str | None) -> None:
    """Go on with EXPERIMENT after a pause or a stop.

    Workers take what is queued at once. What suggests is a call of fmin: the one that is still waiting, or the same
    again.

    \b
    hstore resume digits
    """
    from hstore.engine.search.control import resume as ask

    with session.experiment(experiment) as found:
        before = found.state.status
        outcome = ask(found, reason("resumed", why))
    told = "goes on" if outcome.written else "is open: there is nothing to resume"
    if outcome.written and before == "finished":
        told = "is open again; fmin with its name suggests more"
    _tell(experiment, told, outcome)


@click.command()
@click.argument("experiment")
@click.option("--now", is_flag=True, help="Cancel running trials instead of letting them end.")
@WHY
@click.pass_obj
def stop(session: Session, experiment: str, now: bool, why: str | None) -> None:
    """End EXPERIMENT.

    What is queued is cancelled, what is running goes on to its end. `hstore retry` takes back the cancelling of a
    trial; fmin with the same name goes on with the search.

    \b
    hstore stop digits
    hstore stop digits --now
    """
    from hstore.engine.search.control import stop as ask
    from hstore.store.events import Cancelled

    with session.experiment(experiment) as found:
        before = found.state.status
        outcome = ask(found, reason("stopped", why), now=now)
    told = f"had finished already ({outcome.why})" if before == "finished" else "is stopped"
    cancelled = outcome.tids(Cancelled)
    _tell(experiment, told + (f"; cancelled: {trials(cancelled)}" if cancelled else ""), outcome, "stop")


def reason(what: str, why: str | None) -> str:
    """Return *why* something is done, with *what* it is and who asked for it."""
    import getpass
    import socket

    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        import os

        who = str(os.getuid())
    reason = f"{what} by {who}@{socket.gethostname()}"
    return f"{reason}: {why}" if why else reason


def trials(tids: list[int]) -> str:
    """Return *tids* as a person lists them."""
    shown = ", ".join(map(str, tids[:10])) + (f" and {len(tids) - 10} more" if len(tids) > 10 else "")
    return f"trial {shown}" if len(tids) == 1 else f"trials {shown}"


def _tell(experiment: str, told: str, outcome: Outcome, command: str | None = None) -> None:
    running = list(outcome.running)
    if running and command is not None:
        told += f"; still running: {trials(running)} (`hstore {command} {experiment} --now` does not wait for that)"
    click.echo(f"{experiment} {told}", err=True)
