"""`hstore worker`: evaluates queued trials until a limit or a signal stops it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiments", metavar="[EXP]...", nargs=-1, type=EXPERIMENT)
@click.option("-j", "--slots", metavar="N", type=click.IntRange(1), default=1, help="Evaluate N trials at a time.")
@click.option("--wait", is_flag=True, help="Wait for an EXP that does not exist yet, instead of exiting with 3.")
@click.option("--burst", is_flag=True, help="Exit when no trial is queued.")
@click.option("--max-jobs", metavar="N", type=click.IntRange(1), help="Exit after N trials.")
@click.option("--max-idle", metavar="S", type=click.FloatRange(0), help="Exit after S seconds without a trial.")
@click.option("--max-runtime", metavar="S", type=click.FloatRange(0), help="Start no more trials after S seconds.")
@click.option(
    "--max-consecutive-failures", metavar="N", type=click.IntRange(1),
    help="Exit with 8 after N failed trials in a row.",
)  # fmt: skip
@click.option(
    "--trial-timeout", metavar="S", type=click.FloatRange(0, min_open=True),
    help="Stop a trial after S seconds; it fails.",
)  # fmt: skip
@click.option(
    "--isolate", type=click.Choice(["process", "none"]), default="process", show_default=True,
    help="Call objectives in a process of their own, so that a crash fails one trial, or in the worker's own.",
)  # fmt: skip
@click.option(
    "--max-jobs-per-child", metavar="N", type=click.IntRange(1),
    help="Start a new process for objectives after N trials, say against memory leaks.",
)  # fmt: skip
@click.option(
    "--workdir", type=click.Path(file_okay=False, path_type=Path),
    help="Call objectives in this directory; made if missing.",
)  # fmt: skip
@click.option("--objective", metavar="PKG.MOD:NAME", help="Call this function instead of the recorded objective.")
@click.option(
    "--lease", metavar="S", type=click.FloatRange(0.5), default=60.0, show_default=True,
    help="Let other workers requeue this one's trials after S seconds without a heartbeat.",
)  # fmt: skip
@click.option(
    "--grace", metavar="S", type=click.FloatRange(0), default=10.0, show_default=True,
    help="When stopped, let running trials go on for S seconds.",
)  # fmt: skip
@click.option(
    "--poll-interval", metavar="S", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True,
    help="Look for trials at least every S seconds; new ones usually wake the worker up at once.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Also evaluate trials whose log `hstore verify` would find changed.")
@click.option("--name", help="Name of this worker in the log and in `hstore status`; host:pid by default.")
@click.option(
    "--recover", is_flag=True,
    help="If the store loses events (an older backup is put back), put back those that this worker holds, and go on.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Do not report start and exit.")
@click.option("--parent", type=int, hidden=True)
@click.pass_obj
def worker(session: Session, /, experiments: tuple[str, ...], workdir: Path | None, **options: Any) -> int:
    """Evaluate the queued trials of EXP…, or of every open experiment, the oldest first.

    \b
    hstore worker                       until Ctrl-C
    hstore worker digits -j 4           four at a time
    hstore worker digits --wait         started before the search
    hstore worker --burst               until nothing is queued
    hstore --store mongodb://host/db worker

    SIGINT (Ctrl-C) or SIGTERM stops the worker: running trials may end within --grace seconds, others go back to the
    queue; a second signal sends them back at once. SIGUSR1 drains it: running trials end, no others are started. If
    the server cannot be reached, the worker waits for it.

    \b
    Exit codes:
      0         a limit was reached, nothing was queued, or it was drained
      2         wrong usage
      3         no such experiment; with --wait: none was created before another limit was reached
      5         the store refused access, or has a newer schema
      6         it was for one experiment that it cannot read, or only trials that it cannot read are left
      8         --max-consecutive-failures reached
      9         it took no trial, because no objective could be loaded
      10        the store lost events (it was restored from a backup, say); see --recover
      130, 143  stopped by SIGINT, SIGTERM
    """
    from hstore.workers.serve import serve
    from hstore.workers.worker_options import WorkerOptions

    session.refuse_file(*experiments)
    if options["isolate"] == "none" and options["trial_timeout"] is not None:
        raise click.UsageError("--trial-timeout needs --isolate process: a call in the worker's own cannot be stopped")
    if workdir is not None:
        workdir.mkdir(parents=True, exist_ok=True)
        options["workdir"] = workdir
    return serve(session.url, WorkerOptions(experiments=experiments, **options))
