"""`hyperopt-mongo-worker`: `hstore worker` under hyperopt's name, with hyperopt's flags."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

DEFAULT_URL = "mongodb://localhost:27017/hyperopt"


def say(message: str) -> None:
    """Print *message* on stderr."""
    click.echo(f"hyperopt-mongo-worker: {message}", err=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--mongo", metavar="HOST:PORT/DB", help="Default: $HSTORE_URL, else localhost:27017/hyperopt.")
@click.option("--exp-key", metavar="KEY", help="Work for this experiment; for all of the database without it.")
@click.option(
    "--poll-interval", type=click.FloatRange(0, min_open=True), default=5.0, metavar="SECONDS", show_default=True,
    help="Look for jobs at least so often; the worker is woken up sooner.",
)  # fmt: skip
@click.option(
    "--reserve-timeout", default="120", metavar="SECONDS", show_default=True,
    help="A failure is counted for each such time without a job; 0: never.",
)  # fmt: skip
@click.option("--max-jobs", type=click.IntRange(min=1), metavar="N", help="Leave after N jobs.")
@click.option(
    "--max-consecutive-failures", type=click.IntRange(min=1), default=4, metavar="N", show_default=True,
    help="Leave after N failures in a row.",
)  # fmt: skip
@click.option(
    "--last-job-timeout", type=click.FloatRange(0), metavar="SECONDS", help="Take no new job after this time."
)
@click.option("--max-jobs-in-db", type=click.IntRange(min=1), metavar="N", help="Begin only if there are fewer jobs.")
@click.option(
    "--workdir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="The directory that jobs run in; made if missing. Default: the current one.",
)  # fmt: skip
@click.option("--no-subprocesses", is_flag=True, help="Evaluate in the worker's own process.")
def hyperopt_mongo_worker(
    mongo: str | None,
    exp_key: str | None,
    poll_interval: float,
    reserve_timeout: str,
    max_jobs: int | None,
    max_consecutive_failures: int,
    last_job_timeout: float | None,
    max_jobs_in_db: int | None,
    workdir: Path | None,
    no_subprocesses: bool,
) -> int:
    """Evaluate the trials of searches in a MongoDB.

    This is `hstore worker` with the flags of hyperopt's program of this name, for scripts that call it; for your own
    use `hstore worker`, which has more of them.

    \b
    hyperopt-mongo-worker --mongo=db.example.org:27017/tuning --exp-key=mnist
    """
    from hstore.workers import run

    url = as_url(mongo)
    idle = as_idle_limit(reserve_timeout, 1 if no_subprocesses else max_consecutive_failures)
    if differences := _differences(mongo, url, workdir):
        say("unlike hyperopt's: " + "; ".join(differences))
    if (leaving := _wait_for_work(url, exp_key, idle, max_jobs_in_db)) is not None:
        say(leaving)
        return 0
    options: dict[str, Any] = {
        "max_jobs": max_jobs,
        "max_idle": idle,
        "max_runtime": last_job_timeout,
        "max_consecutive_failures": max_consecutive_failures,
        "poll_interval": poll_interval,
        "isolate": "none" if no_subprocesses else "process",
    }
    if workdir is not None:
        workdir.mkdir(parents=True, exist_ok=True)
        options["workdir"] = workdir
    return run(url, () if exp_key is None else (exp_key,), **options)


def as_url(mongo: str | None) -> str:
    """Return the URL of a store that --mongo=HOST:PORT/DB means; one with a scheme is taken as it is."""
    if mongo is None:
        return os.environ.get("HSTORE_URL") or DEFAULT_URL
    if "://" in mongo:
        return mongo
    place, question, options = mongo.partition("?")
    place = place.removesuffix("/jobs")
    login, at, _ = place.rpartition("@")
    if at and ":" not in login:  # the password is in ~/.hyperopt, which is looked into for hyperopt's own URLs
        return f"mongo://{place}/jobs{question}{options}"
    return f"mongodb://{place}{question}{options}"


def as_idle_limit(reserve_timeout: str, failures: int) -> float | None:
    """Return after how many seconds without a job hyperopt's worker has met as many *failures* as it may."""
    if reserve_timeout.lower() == "none":
        return None
    try:
        seconds = float(reserve_timeout)
    except ValueError:
        raise click.BadParameter(
            f"{reserve_timeout!r} is no number of seconds", param_hint="--reserve-timeout"
        ) from None
    return seconds * failures if seconds > 0 else None


def _differences(mongo: str | None, url: str, workdir: Path | None) -> list[str]:
    """Return what hyperopt's worker would do without a flag, to nobody's use, and this one does not."""
    from hstore.store.url import redacted

    told = []
    if mongo is None:
        told.append(f"without --mongo it is {redacted(url)}")
    if workdir is None:
        told.append("without --workdir jobs run in the current directory, and leave none of their own there")
    return told


def _wait_for_work(url: str, exp_key: str | None, idle: float | None, most: int | None) -> str | None:
    """Wait for an experiment that has not begun, as hyperopt's worker does; return why to leave, if at all."""
    if exp_key is None and most is None:
        return None
    from hstore.store.open_store import open_store
    from hstore.store.store import Experiment

    with open_store(url, patience=math.inf) as store:
        if exp_key is not None:
            experiment = Experiment(store, exp_key)
            experiment.refresh()
            if not experiment.state.events:
                say(f"waiting for an experiment {exp_key!r} to begin")
                if not experiment.wait(math.inf if idle is None else idle):
                    return f"no experiment {exp_key!r} began within {idle:g} s"
        if most is not None:
            trials = sum(document.get("trials", 0) for document in store.models.overview())
            if trials >= most:
                return f"there are {trials} jobs in the database already"
            say("--max-jobs-in-db is looked at once, now: max_evals of fmin limits a search to the letter")
    return None


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from hstore.cli.session import Failure
    from hstore.store.messages import shown_on_stderr

    try:
        with shown_on_stderr(always=True):
            code = hyperopt_mongo_worker.main(args, prog_name="hyperopt-mongo-worker", standalone_mode=False)
    except click.Abort:
        return 130
    except Exception as error:  # noqa: BLE001 - nobody after us would make one line of it
        failure = error if isinstance(error, click.ClickException) else Failure(error)
        failure.show()
        return failure.exit_code
    return code if isinstance(code, int) else 0


def number_of_jobs_in_db(options: Any) -> int:
    """Return how many jobs the database at *options.mongo*, HOST:PORT/DB, holds."""
    from hstore.store.open_store import open_store

    with open_store(as_url(options.mongo)) as store:
        return sum(document.get("trials", 0) for document in store.models.overview())


def main_worker_helper(options: Any, args: list[str]) -> int:
    """Run a worker by *options*, an object with attributes named as the flags; return its exit code."""
    flags = [str(arg) for arg in args]
    for option in hyperopt_mongo_worker.params:
        value = getattr(options, str(option.name), None)
        if value is None or value is False or value == sys.maxsize:  # how hyperopt says: as many as come
            continue
        flags.append(option.opts[0] if value is True else f"{option.opts[0]}={value}")
    return run(flags)


def main() -> NoReturn:
    """Run the command line and leave at once, without waiting for pymongo's threads."""
    code = run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


main_worker = main


if __name__ == "__main__":
    main()
