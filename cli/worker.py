"""`hstore worker`: takes trials and evaluates them, until told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiments", metavar="[EXP]...", nargs=-1)
@click.option("-j", "--slots", metavar="N", type=click.IntRange(1), default=1, help="Trials at a time.")
@click.option("--burst", is_flag=True, help="Leave when nothing is queued.")
@click.option("--max-jobs", metavar="N", type=click.IntRange(1), help="Leave after N trials.")
@click.option("--max-idle", metavar="S", type=click.FloatRange(0), help="Leave after S seconds without a trial.")
@click.option("--max-runtime", metavar="S", type=click.FloatRange(0), help="Take no more trials after S seconds.")
@click.option(
    "--max-consecutive-failures", metavar="N", type=click.IntRange(1), help="Leave after N failures in a row: code 8."
)
@click.option(
    "--trial-timeout", metavar="S", type=click.FloatRange(0, min_open=True),
    help="End a trial that takes more than S seconds.",
)  # fmt: skip
@click.option(
    "--isolate", type=click.Choice(["process", "none"]), default="process", show_default=True,
    help="Where objectives are called: in a process of their own, or in the worker's.",
)  # fmt: skip
@click.option("--max-jobs-per-child", metavar="N", type=click.IntRange(1), help="A new process after N trials.")
@click.option(
    "--workdir", type=click.Path(file_okay=False, path_type=Path), help="Where objectives are called; made if missing."
)
@click.option("--objective", metavar="PKG.MOD:NAME", help="Call this instead of what the experiment names.")
@click.option(
    "--lease", metavar="S", type=click.FloatRange(0.5), default=60.0, show_default=True,
    help="Others take a trial back when its worker was silent for S seconds.",
)  # fmt: skip
@click.option(
    "--grace", metavar="S", type=click.FloatRange(0), default=10.0, show_default=True,
    help="Seconds that a trial gets to end when the worker is told to stop.",
)  # fmt: skip
@click.option(
    "--poll-interval", metavar="S", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True,
    help="Look for trials at least so often; it is woken up sooner.",
)  # fmt: skip
@click.option("--name", help="What others see; host:pid by default.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing of coming and going.")
@click.option("--parent", type=int, hidden=True)
@click.pass_obj
def worker(session: Session, /, experiments: tuple[str, ...], workdir: Path | None, **terms: Any) -> int:
    """Evaluate the queued trials of EXP…, or of every open experiment, the oldest first.

    \b
    hstore worker                       until Ctrl-C
    hstore worker digits -j 4           four at a time
    hstore worker --burst               until nothing is queued
    hstore --store mongodb://host/db worker

    The first INT or TERM lets what is under way end within --grace and puts it back otherwise; the second does so at
    once; USR1 takes no more trials. A server that is away is waited for.

    Exit codes: 0 done, 2 usage, 3 no such experiment, 5 the store refused us, 8 too many failures in a row,
    130 and 143 stopped by INT and TERM.
    """
    from hstore.workers.worker import WorkerOptions, serve

    if terms["isolate"] == "none" and terms["trial_timeout"] is not None:
        raise click.UsageError(
            "--trial-timeout needs --isolate process: a call in the worker's own process cannot be ended"
        )
    if workdir is not None:
        workdir.mkdir(parents=True, exist_ok=True)
        terms["workdir"] = workdir
    return serve(session.url, WorkerOptions(experiments=experiments, **terms))
