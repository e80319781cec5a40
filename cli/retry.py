"""`hstore retry`: have trials that ended evaluated again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment")
@click.argument("tids", type=int, nargs=-1, metavar="[TID]…")
@click.option("--failed", is_flag=True, help="All that failed, for whatever reason.")
@click.option("--lost", is_flag=True, help="All that failed because their workers were never heard of again.")
@click.pass_obj
def retry(session: Session, experiment: str, tids: tuple[int, ...], failed: bool, lost: bool) -> None:
    """Evaluate trials of EXPERIMENT again.

    At the same points: those with the given TIDs, or all that --failed or were --lost. Their attempts are counted
    anew, what they ended with stays in the log, and a search that had finished is opened again so that workers take
    them.

    \b
    hstore retry digits 7 12
    hstore retry digits --failed
    """
    if (which := [bool(tids), failed, lost]).count(True) != 1:
        told = "give one of TIDs, --failed and --lost" + ("" if any(which) else ", to say which trials")
        raise click.UsageError(told)
    from hstore.cli.pause import trials
    from hstore.engine.search.control import retry as ask
    from hstore.store.events import Requeued, Resumed

    wanted: Any = tids or ("failed" if failed else "lost")
    with session.experiment(experiment) as found:
        outcome = ask(found, wanted)
    requeued = outcome.tids(Requeued)
    if not requeued:
        click.echo(f"{experiment}: no trial {'failed' if failed else 'was lost'}, so there is none to retry", err=True)
        return
    told = f"queued again: {trials(requeued)}"
    if outcome.has(Resumed):
        told += "; the search is open again"
    elif outcome.status == "paused":
        told += f"; the search is paused (`hstore resume {experiment}`)"
    click.echo(f"{experiment}: {told}", err=True)
