"""What commands, a search that goes on, and a trial cost as a search gets long: ratios within one run.

`make bench scale`, or `python -m bench scale`. The stores are made once and kept (see `bench.filled`); with 100,000
trials that takes minutes. `SIZES=100,10000` takes fewer; the first is what the others are compared with.
`--quick` takes each measurement once. `REPORTS=100,1000`: trials of 100 reports; 10,000 are a million events.
`OPTUNA_SIZES=10000,100000` compares Optuna at more than 10,000 trials: its SQLite takes a quarter of an hour to fill.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.filled import Cache, cache, fill, hyperopt_pickle, optuna_where
from bench.scale_probes import NAME
from bench.table import show

SIZES = (100, 1_000, 10_000, 100_000)
OPTUNA_SIZES = (10_000,)
REPORTS = (100, 10_000)
QUICK = "--quick" in sys.argv
ROUNDS, PROBES = (1, 1) if QUICK else (5, 3)
HSTORE = [sys.executable, "-m", "hstore"]

Row = tuple[str, ...]


def sizes(variable: str, default: tuple[int, ...]) -> list[int]:
    """Return the sizes that the environment *variable* names."""
    given = os.environ.get(variable)
    return sorted({int(each) for each in given.split(",")}) if given else list(default)


def judged(ratio: float, goal: float, *, at_most: bool = True) -> tuple[str, str, str]:
    """Return *ratio*, its goal, and whether that is met."""
    is_met = ratio <= goal if at_most else ratio >= goal
    return f"{ratio:.2f}", f"{'≤' if at_most else '≥'} {goal:g}", "met" if is_met else "not met"


def spent(*command: str) -> float:
    """Return the CPU seconds of a whole process, children included: of those a busy machine tells little else."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def in_turns(measures: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median of each, measured in turns, so that a slow moment of the machine hits all."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: statistics.median(times) for name, times in found.items()}


def probe(what: str, *arguments: Any) -> dict[str, Any]:
    """Return what `bench.scale_probes` says of *what* in a process of its own."""
    command = [sys.executable, "-m", "bench.scale_probes", what, *map(str, arguments)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    return answer


def median_probe(what: str, *arguments: Any, rounds: int = PROBES) -> dict[str, float]:
    """Return the medians of what `probe` says."""
    said = [probe(what, *arguments) for _ in range(rounds)]
    return {name: statistics.median(each[name] for each in said) for name in said[0]}


# -- commands -------------------------------------------------------------------------------------------------


COMMANDS = (
    ("status", ["status", NAME]), ("show", ["show", NAME]), ("show TID", ["show", NAME, "7"]),
    ("log -n 20", ["log", NAME, "-n", "20"]),
)  # fmt: skip


def commands(kept: Cache, few: int, many: int) -> list[Row]:
    """Return the rows on commands that read what they are asked for, each as a whole process."""
    measures: dict[str, Callable[[], float]] = {"version": lambda: spent(*HSTORE, "--version")}
    for name, words in COMMANDS:
        for size in (few, many):
            command = [*HSTORE, "--store", kept.url(size), *words]
            measures[f"{name} {size}"] = lambda command=command: spent(*command)  # type: ignore[misc]
    found = in_turns(measures)
    rows: list[Row] = []
    for name, _ in COMMANDS:
        ratio = found[f"{name} {many}"] / found[f"{name} {few}"]
        rows.append((f"{name}, {many:,} trials / {few:,}", *judged(ratio, 1.3)))
        rows.append((f"{name}, {many:,} trials / --version", *judged(found[f"{name} {many}"] / found["version"], 2.5)))
    return rows


# -- a search that goes on ------------------------------------------------------------------------------------


def continued(kept: Cache, few: int, many: int) -> list[Row]:
    """Return the rows on a process that goes on with a search: until its first suggestion, and its memory."""
    rows: list[Row] = []
    for algorithm in ("rand", "tpe"):
        at = {size: median_probe("first", kept.url(size), algorithm, size) for size in (few, many)}
        limit = 0.5 if many <= 100_000 else 1.0
        rows.append((f"first suggestion of {algorithm}, CPU s, {many:,} trials", *judged(at[many]["cpu"], limit)))
        rows.append((f"… CPU s, {few:,} trials", f"{at[few]['cpu']:.2f}", "", ""))
        rows.append((f"… memory beyond imports, MB, {many:,} trials", *judged(at[many]["mb"], 60)))
    return rows


def beside_others(kept: Cache, size: int) -> list[Row]:
    """Return the rows on what Optuna and hyperopt take for the same: load, look at the best, ask once more."""
    ours = median_probe("first", kept.url(size), "tpe", size)["cpu"]
    rows: list[Row] = []
    for kind, goal in (("journal", 20), ("sqlite", 50)):
        theirs = median_probe("optuna", optuna_where(kept.folder, size, kind))
        total = theirs["load"] + theirs["best"] + theirs["ask"]
        parts = ", ".join(f"{name} {theirs[name]:.2f}" for name in ("load", "best", "ask"))
        rows.append(
            (f"Optuna, {kind} ({parts} CPU s) / ours, {size:,} trials", *judged(total / ours, goal, at_most=False))
        )
    pickled = median_probe("hyperopt", hyperopt_pickle(kept.folder, kept.url(size), size))
    rows.append(
        (f"hyperopt's pickle, load and one rand / ours, {size:,} trials", f"{pickled['cpu'] / ours:.1f}", "", "")
    )
    return rows


# -- the whole log --------------------------------------------------------------------------------------------


def whole_log(kept: Cache, few: int, many: int) -> list[Row]:
    """Return the rows on what reads every event."""
    url = kept.url(many)
    raw = median_probe("raw", url)
    fold = median_probe("fold", url)
    rows: list[Row] = [
        (f"raw read by pymongo, thousand events per CPU s, {many:,} trials", f"{raw['rate'] / 1e3:.0f}", "", ""),
        ("a fold from nothing, thousand events per CPU s", *judged(fold["rate"] / 1e3, 250, at_most=False)),
        ("a fold from nothing and its read / raw read", *judged(raw["rate"] / fold["read_rate"], 2.5)),
    ]
    for what in ("verify", "rebuild"):
        at = {size: median_probe(what, kept.url(size), rounds=1 if size == many else PROBES) for size in (few, many)}
        rows.append((f"{what}, thousand events per CPU s", *judged(at[many]["rate"] / 1e3, 40, at_most=False)))
        rows.append((f"{what}, events per CPU s / raw read", f"{at[many]['rate'] / raw['rate']:.2f}", "", ""))
        more = (at[many]["mb"] - at[few]["mb"]) * 1e6 / (at[many]["events"] - at[few]["events"])
        rows.append((f"{what}, bytes of memory for each event more", *judged(more, 100)))
    return rows


# -- trials and storage ---------------------------------------------------------------------------------------


def trials(kept: Cache, few: int, many: int) -> list[Row]:
    """Return the rows on what one more trial costs."""
    rows: list[Row] = []
    for where, algorithm in (("durable", "rand"), ("memory", "tpe"), ("memory", "rand"), ("memory", "qmc")):
        at = {size: median_probe("trials", where, algorithm, kept.url(size), size) for size in (few, many)}
        ratio = at[many]["cpu"] / at[few]["cpu"]
        rows.append((f"a trial, {where} {algorithm}, at {many:,} / at {few:,}", *judged(ratio, 1.1)))
    return rows


def reports(few: int, many: int) -> list[Row]:
    """Return the row on reports and decisions of asha, with *many* other trials of 100 reports against *few*."""
    at = {size: median_probe("reports", size) for size in (few, many)}
    ratio = at[many]["cpu"] / at[few]["cpu"]
    return [(f"report + should_stop, asha, {many:,} trials of 100 reports / {few:,}", *judged(ratio, 1.2))]


def storage(kept: Cache, size: int) -> list[Row]:
    """Return the rows on bytes on disk for each trial."""
    ours = probe("disk", kept.url(size))
    rows: list[Row] = [(f"bytes a trial: events, {size:,} trials", f"{ours['events'] / size:.0f}", "", "")]
    rows.append(("… with tables, indexes and snapshot", f"{ours['all'] / size:.0f}", "", ""))
    for kind in ("sqlite", "journal"):
        path = Path(optuna_where(kept.folder, size, kind).removeprefix("sqlite:///"))
        theirs = path.stat().st_size
        rows.append((f"… / Optuna's {kind} ({theirs / size:.0f} bytes)", *judged(ours["all"] / theirs, 1)))
    return rows


def main() -> None:
    wanted, optuna_sizes = sizes("SIZES", SIZES), sizes("OPTUNA_SIZES", OPTUNA_SIZES)
    few, many = wanted[0], wanted[-1]
    with cache() as kept:
        for size in wanted:
            fill(kept.url(size), size)
        parts: dict[str, Callable[[], list[Row]]] = {
            f"Commands, {few:,} and {many:,} trials": lambda: commands(kept, few, many),
            "A search that goes on": lambda: continued(kept, few, many),
            "The whole log": lambda: whole_log(kept, few, many),
            "One more trial": lambda: trials(kept, few, many),
            "Reports": lambda: reports(*sizes("REPORTS", REPORTS)),
        }
        for size in sorted(set(optuna_sizes) & set(wanted)):
            parts[f"Beside others, {size:,} trials"] = lambda size=size: beside_others(kept, size)  # type: ignore[misc]
            parts[f"On disk, {size:,} trials"] = lambda size=size: storage(kept, size)  # type: ignore[misc]
        for title, measure in parts.items():
            rows = measure()
            show(f"{title} (load {os.getloadavg()[0]:.0f})", [("", "measured", "goal", ""), *rows])
    print("The rest of the goals: `python -m bench durable workers claims`.")


if __name__ == "__main__":
    main()
