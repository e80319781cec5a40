"""`hstore-mongo-worker`: `hstore worker` with the flags of hyperopt's `hyperopt-mongo-worker`."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

PROGRAM = "hstore-mongo-worker"
DEFAULT_URL = "mongodb://localhost:27017/hyperopt"


def say(message: str) -> None:
    """Print *message* on stderr."""
    click.echo(f"{PROGRAM}: {message}", err=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--mongo", metavar="HOST:PORT/DB", help="Default: $HSTORE_URL, else localhost:27017/hyperopt.")
@click.option("--exp-key", metavar="KEY", help="Evaluate trials of this experiment; by default of all in the database.")
@click.option(
    "--poll-interval", type=click.FloatRange(0, min_open=True), default=5.0, metavar="SECONDS", show_default=True,
    help="Look for trials at least so often; new ones wake the worker up sooner.",
)  # fmt: skip
@click.option(
    "--reserve-timeout", default="120", metavar="SECONDS", show_default=True,
    help="Count a failure each time that no trial came for so long; 0: never.",
)  # fmt: skip
@click.option("--max-jobs", type=click.IntRange(min=1), metavar="N", help="Exit after N trials.")
@click.option(
    "--max-consecutive-failures", type=click.IntRange(min=1), default=4, metavar="N", show_default=True,
    help="Exit after N failures in a row.",
)  # fmt: skip
@click.option(
    "--last-job-timeout", type=click.FloatRange(0), metavar="SECONDS", help="Start no more trials after this time."
)
@click.option(
    "--max-jobs-in-db",
    type=click.IntRange(min=1),
    metavar="N",
    help="Start only if there are fewer than N trials.",
)
@click.option(
    "--workdir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Call objectives there; made if missing. Default: the current directory.",
)  # fmt: skip
@click.option("--no-subprocesses", is_flag=True, help="Call objectives in the worker's own process.")
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

    This is `hstore worker` with the flags of hyperopt's program hyperopt-mongo-worker, for scripts that call that. For
    new scripts use `hstore worker`, which can do more. To install it under hyperopt's name, in an environment without
    hyperopt: python -m hstore.compat --install-worker DIR.

    \b
    hstore-mongo-worker --mongo=db.example.org:27017/tuning --exp-key=mnist

    Exit codes: as `hstore worker` (see `hstore worker --help`).
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
    """Return after how many seconds without a job hyperopt's worker has reached its number of *failures*."""
    if reserve_timeout.lower() == "none":
        return None
    try:
        seconds = float(reserve_timeout)
    except ValueError:
        raise click.BadParameter(
            f"{reserve_timeout!r} is not a number of seconds", param_hint="--reserve-timeout"
        ) from None
    return seconds * failures if seconds > 0 else None


def _differences(mongo: str | None, url: str, workdir: Path | None) -> list[str]:
    """Return what this worker does otherwise than hyperopt's when a flag is not given."""
    from hstore.store.url import redacted

    differences = []
    if mongo is None:
        differences.append(f"without --mongo it is {redacted(url)}")
    if workdir is None:
        differences.append(
            "without --workdir objectives run in the current directory, where none is made for each trial"
        )
    return differences


def _wait_for_work(url: str, exp_key: str | None, idle: float | None, most: int | None) -> str | None:
    """Wait for an experiment that does not exist yet, as hyperopt's worker does; return why to exit, if at all."""
    if exp_key is None and most is None:
        return None
    from hstore.store.experiment import Experiment
    from hstore.store.open_store import open_store

    with open_store(url, patience=math.inf) as store:
        if exp_key is not None:
            experiment = Experiment(store, exp_key)
            experiment.refresh()
            if not experiment.state.events:
                say(f"waiting for experiment {exp_key!r} to be created")
                if not experiment.wait(math.inf if idle is None else idle):
                    return f"experiment {exp_key!r} was not created within {idle:g} s"
        if most is not None:
            trials = sum(document.get("trials", 0) for document in store.models.overview())
            if trials >= most:
                return f"exiting: the database already holds {trials} trials (--max-jobs-in-db)"
            say("--max-jobs-in-db is checked only now, at the start; max_evals of fmin limits a search exactly")
    return None


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from hstore.cli.session import Failure
    from hstore.store.messages import shown_on_stderr

    try:
        with shown_on_stderr(always=True):
            code = hyperopt_mongo_worker.main(args, prog_name=PROGRAM, standalone_mode=False)
    except click.Abort:
        return 130
    except Exception as error:  # noqa: BLE001 - no caller would make one line of it
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
    """Run the command line and exit at once, without waiting for pymongo's threads."""
    code = run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


main_worker = main


if __name__ == "__main__":
    main()
