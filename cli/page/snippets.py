"""What a person copies from a page: the same in Python and on the command line, with names quoted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

FIGURES = (
    "history", "importance", "slice", "contour", "parallel", "edf", "pareto", "curves", "timeline", "calibration",
)  # fmt: skip
"""Those of `hstore.plot` that the page has as well."""
Snippets = dict[str, str]
"""Text to copy by its title."""


def of_search(name: str, *, at: str = "", figures: Sequence[str] = ()) -> Snippets:
    """Return how to get what the page of a search shows, with those of `FIGURES` that are open, as of *at*."""
    shell, moment, when = shlex.quote(name), f", at={at!r}" if at else "", f" --at {shlex.quote(at)}" if at else ""
    shown = [each for each in figures if each in FIGURES]
    python = [
        "import hstore", "", "with hstore.open() as store:", f"    experiment = store.experiment({name!r}{moment})",
        "    print(experiment.best)", "    trials = experiment.to_pandas()",
        *(f'    hstore.plot.{each}(experiment)  # or backend="bokeh"' for each in shown),
    ]  # fmt: skip
    commands = [f"hstore show {shell}{when}", f"hstore status {shell}{when or ' --watch'}"]
    if not at:
        commands += [f"hstore worker {shell}", f"hstore export {shell} --csv trials.csv"]
        commands += [f"hstore plot {shell} {' '.join(shown)} -o figures.png"] if shown else []
        commands += [f"hstore verify {shell}"]
    elif at.isdecimal():
        commands += [f"hstore fork {shell} {shlex.quote(f'{name}-fork')} --at {at}"]
    return {"Python": "\n".join(python), "Command line": "\n".join(commands)}


def of_trial(name: str, tid: int) -> Snippets:
    """Return how to get what the page of a trial shows."""
    shell = shlex.quote(name)
    return {
        "Python": (
            f"import hstore\n\nwith hstore.open() as store:\n    experiment = store.experiment({name!r})\n"
            f"    trial = experiment.trial({tid})\n    print(trial.params, trial.loss)\n"
            f'    experiment.void({tid}, reason="…")'
        ),
        "Command line": (
            f"hstore show {shell} {tid}\nhstore explain {shell} {tid}\nhstore retry {shell} {tid}\n"
            f"hstore void {shell} {tid} --reason '…'\n"
            f"hstore fork {shell} {shlex.quote(f'{name}-fork')} --at {tid}"
        ),
    }


def of_searches(names: Sequence[str]) -> Snippets:
    """Return how to get what the page that compares searches shows."""
    return {
        "Python": (
            "import hstore\n\nwith hstore.open() as store:\n"
            f"    for name in {list(names)!r}:\n        print(name, store.experiment(name).best)\n"
            f"    hstore.plot.history(*(store.experiment(name) for name in {list(names)!r}))"
        ),
        "Command line": "\n".join(
            [
                *(f"hstore show {shlex.quote(name)}" for name in names),
                *(f"hstore diff {shlex.quote(names[0])} {shlex.quote(name)}" for name in names[1:]),
            ]
        ),
    }
