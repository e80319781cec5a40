"""What a person copies from a page: the same in Python and on the command line, with names quoted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

Snippets = dict[str, str]
"""Text to copy by its title."""


def of_search(name: str) -> Snippets:
    """Return how to get what the page of a search shows."""
    shell = shlex.quote(name)
    return {
        "Python": (
            f"import hstore\n\nwith hstore.open() as store:\n    experiment = store.experiment({name!r})\n"
            "    print(experiment.best)\n    trials = experiment.to_pandas()"
        ),
        "Command line": (
            f"hstore show {shell}\nhstore status {shell} --watch\nhstore worker {shell}\n"
            f"hstore export {shell} --csv trials.csv"
        ),
    }


def of_trial(name: str, tid: int) -> Snippets:
    """Return how to get what the page of a trial shows."""
    shell = shlex.quote(name)
    return {
        "Python": (
            f"import hstore\n\nwith hstore.open() as store:\n    experiment = store.experiment({name!r})\n"
            f"    trial = experiment.trials[{tid}]\n    print(trial.params, trial.loss)"
        ),
        "Command line": f"hstore show {shell} {tid}\nhstore log {shell}\nhstore retry {shell} {tid}",
    }


def of_searches(names: Sequence[str]) -> Snippets:
    """Return how to get what the page that compares searches shows."""
    return {
        "Python": (
            "import hstore\n\nwith hstore.open() as store:\n"
            f"    for name in {list(names)!r}:\n        print(name, store.experiment(name).best)"
        ),
        "Command line": "\n".join(f"hstore show {shlex.quote(name)}" for name in names),
    }
