"""`python -m faults`: run searches under faults, check what is left, print what came of it. See --help."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from random import Random

from tqdm import tqdm

from faults.broken import WAYS
from faults.rounds import KINDS, Result, run, why_not
from faults.world import World

ROUND = 250
"""Trials of one search."""
ATTEMPTS = 5
"""How often what is broken on purpose may go unnoticed: the faults have to come at the right moment."""
SHORT_ROUND = 260
SHORT = ("everything", "aimed", "child-kill", "network")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code: 0 if all was as promised."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="in all; default: %(default)s")
    parser.add_argument("--faults", type=int, default=1_000, help="in all; default: %(default)s")
    parser.add_argument("--round", type=int, default=ROUND, help="trials of one search; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next has the next")
    parser.add_argument("--kinds", default="", help=f"comma-separated; default: all of {', '.join(KINDS)}")
    parser.add_argument("--alone", action="store_true", help="one round of one kind, with this very seed")
    parser.add_argument("--short", action="store_true", help="what CI runs: about a minute, embedded server only")
    ways = ", ".join(WAYS)
    parser.add_argument(
        "--controls", nargs="?", const=",".join(WAYS), default="",
        help=f"break the code on purpose and see it found out; default: all of {ways}",
    )  # fmt: skip
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is to be ended then, too
    if asked.controls:
        return controls(asked.controls.split(","), asked.seed)
    names = asked.kinds.split(",") if asked.kinds else list(SHORT if asked.short else KINDS)
    for name in list(names):
        if why := why_not(name):
            print(f"skipped: {name}: {why}")
            names.remove(name)
    if asked.alone or asked.short:
        size = SHORT_ROUND if asked.short else asked.trials
        n = len(names) if asked.short else 1
        results = list(
            rounds(
                names[:n],
                asked.seed,
                trials=n * size,
                faults=n * size // 13 if asked.short else asked.faults,
                size=size,
                once=True,
            )
        )
    else:
        results = list(rounds(names, asked.seed, trials=asked.trials, faults=asked.faults, size=asked.round))
    show(results)
    return 0 if all(result.is_sound for result in results) else 1


def rounds(
    names: Sequence[str], seed: int, *, trials: int, faults: int, size: int, once: bool = False
) -> Iterator[Result]:
    """Yield the results of rounds of each kind until there were so many *trials* and *faults* in all."""
    total = sum(KINDS[name].weight for name in names)
    by_place: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_place[KINDS[name].place].append(name)
    with tqdm(total=trials, unit="trial", file=sys.stderr, dynamic_ncols=True) as bar, ExitStack() as stack:
        for place, there in by_place.items():
            stack.close()
            world = stack.enter_context(World(place, Random(seed)))
            for name in there:
                share = KINDS[name].weight / total
                trials_left, faults_left = trials * share, faults * share
                while trials_left >= 1 or faults_left >= 1:
                    bar.set_description(f"{name} {seed}")
                    n = size if trials_left >= size or faults_left >= 1 else max(20, round(trials_left))
                    planned = (
                        faults // len(names) if once else _planned(n / (trials * share) * faults * share, faults_left)
                    )
                    result = run(world, name, seed, trials=n, faults=planned, on_trials=bar.update)
                    if not result.is_sound:
                        report(result, bar)
                    trials_left -= result.ended
                    faults_left -= result.faults
                    seed += 1
                    yield result
                    if once:
                        break


def _planned(fair: float, left: float) -> int:
    """Return how many faults a round gets: its share and half of that again, since not all come to pass."""
    return max(1, round(min(left, 1.5 * fair)))


def report(result: Result, bar: tqdm | None = None) -> None:  # type: ignore[type-arg]
    """Say on stderr what a round has brought to light, as soon as it has."""
    write = bar.write if bar is not None else print
    count = len(result.troubles) + len(result.findings)
    for line in (f"{result.kind} {result.seed}: {count} findings", *_by_kind(result)):
        write(line, file=sys.stderr)


def show(results: Sequence[Result]) -> None:
    """Print the table, and how to run again what failed."""
    heads = (
        "faults of kind",
        "rounds",
        "faults",
        "trials",
        "acknowledged",
        "ended",
        "requeued",
        "lost",
        "doubled",
        "findings",
        "seconds",
    )
    rows: list[Sequence[object]] = [heads]
    kinds = list(dict.fromkeys(result.kind for result in results))
    for kind in (*kinds, None):
        mine = [result for result in results if kind in (None, result.kind)]
        findings = sum(len(result.findings) + len(result.troubles) for result in mine)
        sums = [
            sum(getattr(r, name) for r in mine)
            for name in ("faults", "wanted", "acknowledged", "ended", "retried", "lost", "doubled")
        ]
        rows.append((kind or "all", len(mine), *sums, findings, f"{sum(r.seconds for r in mine):.0f}"))
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(heads))]
    for row in rows:
        print(
            "  ".join(
                str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        )
    injected: Counter[str] = sum((result.injected for result in results), Counter())
    print("injected: " + ", ".join(f"{name} {n}" for name, n in injected.most_common() if n))
    if strays := sum(result.strays for result in results):
        print(f"appended in the moment between a look at the store and its loss, and removed: {strays} events")
    for result in results:
        if not result.is_sound:
            command = f"python -m faults --alone --kinds {result.kind} --seed {result.seed}"
            print(f"failed: {command} --trials {result.wanted} --faults {max(1, result.faults)}")
            for line in _by_kind(result):
                print(f"    {line}")


def controls(names: Sequence[str], seed: int) -> int:
    """Break each of *names* in turn, and print what was found; return 1 if anything went unnoticed."""
    caught = 0
    for name in tqdm(names, unit="control", file=sys.stderr):
        way = WAYS[name]
        began = time.monotonic()
        for attempt in range(ATTEMPTS):
            with World(KINDS[way.kind].place, Random(seed + attempt), broken_way=name) as world:
                result = run(world, way.kind, seed + attempt, trials=way.trials, faults=30, deadline=30.0)
            said = [*result.troubles, *_by_kind(result)]
            if is_found := any(way.shows in line for line in said):
                break
        caught += is_found
        verdict = f"found out in {time.monotonic() - began:.0f} s" if is_found else "UNNOTICED"
        print(f"{way.what} ({way.kind}): {verdict}", flush=True)
        for line in sorted(dict.fromkeys(said), key=lambda line: way.shows not in line)[:4]:
            print(f"    {line}", flush=True)
    print(f"controls: {len(names)}, caught: {caught}")
    return 0 if caught == len(names) else 1


def _by_kind(result: Result) -> list[str]:
    """Return what was found, the first of each kind and how many more there are."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for finding in result.findings:
        kinds[finding.kind].append(str(finding))
    described = [lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "") for lines in kinds.values()]
    return [*result.troubles[:2], *described]


if __name__ == "__main__":
    sys.exit(main())
