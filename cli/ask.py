"""`hstore ask`, `tell` and `fail`: a search whose trials any program evaluates, in any language; see also `report`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.negative_numbers import TakesNegativeNumbers
from hstore.cli.printing import print_json, print_note, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.ask_tell import Search
    from hstore.engine.asked_trial import AskedTrial

NONE_LEFT = 4
"""Exit code of `hstore ask` when there is no trial: the search is over, or paused."""
LEASE_SECONDS = 3600.0

F = TypeVar("F", bound=Callable[..., Any])


def search_options(command: F) -> F:
    """Give *command* the options that begin a search: --algo, --max-evals, --seed, --pruner and --record-diff."""
    for option in reversed((
        click.option("--algo", help="Algorithm by name; default: auto."),
        click.option(
            "--max-evals", "-n", type=click.IntRange(1), help="Number of trials in all; default: no limit (`run`: 100)."
        ),
        click.option("--seed", type=int, help="Seed, for a search that can be repeated."),
        click.option("--pruner", help="Stops hopeless trials by what they report: asha, auto, median, hyperband."),
        click.option("--record-diff", is_flag=True, help="Store the diff to the git commit; it may hold secrets."),
    )):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--space", help='Begin the experiment: JSON such as {"lr": "log(1e-5, 1)"}, or pkg.mod:NAME.')
@search_options
@click.option("--objectives", type=click.IntRange(2), metavar="N", help="Number of losses of each trial; default: one.")
@click.option(
    "--lease", type=click.FloatRange(min=0, min_open=True), default=LEASE_SECONDS, show_default=True,
    help="Seconds without a report after which the trial is queued again.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: tid, token, params.")
@click.pass_obj
def ask(
    session: Session,
    experiment: str,
    space: str | None,
    algo: str | None,
    max_evals: int | None,
    seed: int | None,
    pruner: str | None,
    record_diff: bool,
    objectives: int | None,
    lease: float,
    as_json: bool,
) -> None:
    """Ask EXPERIMENT for the next trial to evaluate: its parameters, and a token to tell the result with.

    With --space the experiment is begun if there is none of that name. A range is log(1e-5, 1), float(0, 1), int(1, 8)
    or adam|sgd; "float(0, 1) if opt=sgd" depends on another. Exit code 4: there is no trial, since the search is over
    or paused.

    \b
    hstore ask train --space '{"lr": "log(1e-5, 1)", "opt": "adam|sgd"}' --max-evals 100 --json
    hstore report train TOKEN 1 0.42     exit code 4: the trial is to stop
    hstore tell train TOKEN 0.31
    hstore fail train TOKEN 'out of memory'
    """
    session.refuse_file(experiment)
    begins = {
        "algo": algo,
        "max_evals": max_evals,
        "rstate": seed,
        "pruner": pruner,
        "record_diff": record_diff or None,
        "objectives": objectives,
    }
    if space is None and any(value is not None for value in begins.values()):
        raise click.UsageError(
            "--algo, --max-evals, --seed, --pruner, --objectives and --record-diff begin an experiment: add --space"
        )
    from hstore.engine.ask_tell import search

    if space is not None:
        session.check_new(experiment)
    given: dict[str, Any] = {} if space is None else {"space": read_space(space), **begins}
    with (
        session.reading(experiment),
        search(experiment=experiment, store=session.store, lease=lease, **given) as opened,
    ):
        trial = opened.ask()
        if trial is None:
            print_note(f"no trial: the search is {_why(opened)}")
            raise click.exceptions.Exit(NONE_LEFT)
        said = {"tid": trial.tid, "token": trial.token, "params": trial.params}
        if as_json:
            print_json(said, indent=None)
        else:
            from hstore.cli.table import named

            print_text(f"trial {trial.tid}  {named(trial.params)}\ntoken {trial.token}")


@click.command(cls=TakesNegativeNumbers)
@click.argument("experiment", type=EXPERIMENT)
@click.argument("token")
@click.argument("loss", required=False)
@click.option("--result", help="What else to keep of the trial: a JSON object.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: tid, counts.")
@click.pass_obj
def tell(session: Session, experiment: str, token: str, loss: str | None, result: str | None, as_json: bool) -> None:
    """Tell the LOSS of the trial that TOKEN names: a number, or a JSON list of several.

    A trial that was queued again meanwhile keeps the result as a note; it does not count.

    \b
    hstore tell train TOKEN 0.31
    hstore tell train TOKEN '[0.31, 12.5]' --result '{"epochs": 7}'
    hstore tell train TOKEN -3.5
    """
    losses, more = _json_or_number(loss), _object(result)
    with asked(session, experiment, token) as (opened, trial):
        if losses is None and "loss" not in more and "losses" not in more:
            trial.should_stop()  # what was reported decides whether it was pruned
        _print_end(opened, trial, trial.tell(losses, **more), as_json)


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("token")
@click.argument("error")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: tid, counts.")
@click.pass_obj
def fail(session: Session, experiment: str, token: str, error: str, as_json: bool) -> None:
    """Say that the trial that TOKEN names failed, with ERROR: a message, or "Kind: message".

    \b
    hstore fail train TOKEN 'MemoryError: 24 GB were not enough'
    """
    with asked(session, experiment, token) as (opened, trial):
        _print_end(opened, trial, trial.fail(error), as_json)


def read_space(text: str) -> Any:
    """Return the space that *text* is: JSON with a range by label, or the name pkg.mod:NAME of one."""
    from hstore.engine.space.notation import space_of

    if not text.lstrip().startswith("{"):
        from hstore.engine.evaluation.objective_spec import looked_up

        return looked_up(text, "a space")
    ranges = _object(text)
    if not ranges:
        raise click.UsageError('--space has no range to search, such as {"lr": "log(1e-5, 1)"}')
    return space_of(ranges)


@contextmanager
def asked(session: Session, experiment: str, token: str) -> Iterator[tuple[Search, AskedTrial]]:
    """Yield the search *experiment*, and the trial of it that *token* names."""
    from hstore.engine.ask_tell import search

    session.refuse_file(experiment)
    with session.reading(experiment):
        session.store.experiment(experiment, only=())  # raises that there is none, and where to look
        # A result is recorded even if the log was changed elsewhere; `hstore ask` refuses to go on with such a log.
        with search(experiment=experiment, store=session.store, trust=True) as opened:
            yield opened, opened.asked(token)


def _print_end(opened: Search, trial: AskedTrial, counts: bool, as_json: bool) -> None:
    if as_json:
        print_json({"tid": trial.tid, "counts": counts}, indent=None)
        return
    outcome = "is recorded" if counts else "came late: it is saved as a note"
    print_note(f"trial {trial.tid} of {opened.experiment.name} {outcome}")


def _why(opened: Search) -> str:
    return "paused" if opened.why == "paused" else f"over ({opened.why})"


def _json_or_number(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return json.loads(text)
    except ValueError:
        raise click.UsageError(f"LOSS is a number, or a JSON list of numbers, not {text!r}") from None


def _object(text: str | None) -> Mapping[str, Any]:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r:.60} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"{text!r:.60} is no JSON object")
    return value
