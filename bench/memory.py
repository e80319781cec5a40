"""What a trial costs beyond its objective in memory, and what looking at trials costs: hstore and hyperopt."""

import logging
import time
from typing import Any

import numpy as np

from bench.durable import in_rounds, objective
from bench.table import show, verdict


def seconds(library: Any, trials: int) -> list[float]:
    """Moments at which the objective was called."""
    moments: list[float] = []

    def timed(config: dict[str, float]) -> float:
        moments.append(time.perf_counter())
        return objective(config)

    hp = library.hp
    space = {"x": hp.uniform("x", -1, 1), "y": hp.uniform("y", 0, 1)}
    library.fmin(
        timed,
        space,
        algo=library.rand.suggest,
        max_evals=trials,
        rstate=np.random.default_rng(0),
        verbose=False,
        trials=library.Trials(),
    )
    return moments


def around(library: Any, at: int) -> float:
    return float(np.median(np.diff(seconds(library, at + 100))[at - 100 :]))


def asked(library: Any, trials: int) -> tuple[list[float], Any]:
    """Seconds that each trial took which a program asked for and told by hand, eight at a time; and the trials."""
    hp, moments = library.hp, [time.perf_counter()]
    domain = library.Domain(lambda _: 0.0, {"x": hp.uniform("x", -1, 1), "y": hp.uniform("y", 0, 1)})
    seen, rng, under_way = library.Trials(), np.random.default_rng(0), []
    for _ in range(trials):
        ids = seen.new_trial_ids(1)
        seen.refresh()
        docs = library.rand.suggest(ids, domain, seen, int(rng.integers(2**31 - 1)))
        docs[0]["state"] = library.JOB_STATE_RUNNING
        seen.insert_trial_docs(docs)
        seen.refresh()
        under_way.append(seen._dynamic_trials[-1])
        if len(under_way) == 8:
            doc = under_way.pop(0)
            doc["state"], doc["result"] = library.JOB_STATE_DONE, {"status": "ok", "loss": rng.random()}
            seen.refresh()
        moments.append(time.perf_counter())
    return np.diff(moments).tolist(), seen


def looks(trials: Any) -> dict[str, float]:
    """Seconds of a refresh without news, of the losses, of the best."""
    found = {}
    for name, look in (("refresh", trials.refresh), ("losses", trials.losses), ("argmin", lambda: trials.argmin)):
        times = []
        for _ in range(20):
            began = time.perf_counter()
            look()
            times.append(time.perf_counter() - began)
        found[name] = float(np.median(times))
    return found


def views(hstore: Any, hyperopt: Any) -> None:
    n = 10_000
    ours, theirs = asked(hstore, n), asked(hyperopt, n // 10)
    steps = [float(np.median(ours[0][slice(*part)])) for part in ((100, 400), (900, 1000), (n - 300, n))]
    here, there = looks(ours[1]), looks(hyperopt.trials_from_docs(ours[1].trials))
    show(
        "Trials in memory, asked for and told by hand, eight under way",
        [
            ("", "hstore ms", "hyperopt ms", "ratio"),
            ("a trial, around 100", f"{steps[0] * 1e3:.3f}", "", ""),
            ("a trial, around 1,000", f"{steps[1] * 1e3:.3f}", f"{np.median(theirs[0][-100:]) * 1e3:.3f}", ""),
            ("a trial, around 10,000", f"{steps[2] * 1e3:.3f}", "", verdict(steps[2] / steps[0], 2)),
            *(
                (f"{name} of 10,000", f"{here[name] * 1e3:.3f}", f"{there[name] * 1e3:.3f}",
                 verdict(here[name] / there[name], 0.1) if name == "refresh" else f"{here[name] / there[name]:.2f}")
                for name in here
            ),
        ],
    )  # fmt: skip


def main() -> None:
    import hyperopt

    import hstore

    logging.getLogger("hyperopt").setLevel(logging.ERROR)
    ours, theirs = in_rounds(lambda: around(hstore, 1000), lambda: around(hyperopt, 1000))
    steps = np.diff(seconds(hstore, 10_300))
    early, late = float(np.median(steps[100:400])), float(np.median(steps[10_000:]))
    show(
        "A trial in memory at 1,000 trials, random search, trivial objective",
        [
            ("", "ms a trial", "hstore's cost as a ratio"),
            ("hstore", f"{ours * 1e3:.3f}", ""),
            ("hyperopt", f"{theirs * 1e3:.3f}", verdict(ours / theirs, 1 / 4)),
            ("hstore at trial 100", f"{early * 1e3:.3f}", ""),
            ("hstore at trial 10,000", f"{late * 1e3:.3f}", verdict(late / early, 1.15)),
        ],
    )
    views(hstore, hyperopt)
