"""Measure what a search reaches at equal budget, with the benchmark in ../shared/quality, and what a suggestion costs.

`python -m bench.quality [--seeds 5] [--workers 8] [--only REGEX]`; results are kept in build/quality and not run again.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BENCHMARK = Path(os.environ.get("HSTORE_QUALITY", ROOT.parent / "shared" / "quality"))
PEERS = ["hyperopt:tpe", "hyperopt:anneal", "optuna:tpe", "optuna:gp", "nevergrad:NGOpt", "smac:hpo"]
N_TRIALS, N_DIMENSIONS = 100, 10


def main() -> None:
    """Run what is not there yet and print the tables: all together, and beside each peer where both have run."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--optimizers", default="hstore:auto,hstore:gp,hstore:mtpe")
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--parts", type=int, default=os.cpu_count() or 1)
    options = arguments.parse_args()
    costs()
    if not (BENCHMARK / "run.py").exists():
        print(f"no benchmark at {BENCHMARK}: set HSTORE_QUALITY to where its run.py is")
        return
    mode = "sequence" if options.workers == 1 else f"async{options.workers}"
    ours = run(options, mode)
    kept = BENCHMARK / "results"
    if options.workers > 1:
        report(*ours, kept / f"visible_async{options.workers}.json")
        return
    optimizers = options.optimizers.split(",")
    report(*ours, "--per-task")
    for peer in PEERS:
        files = [kept / "visible.json", kept / "visible_slow50.json"]
        is_slow = peer in ("optuna:gp", "smac:hpo")  # of these there are 50 evaluations
        print(f"\n# beside {peer}")
        report(*ours, *files, "--only", ",".join([peer, *optimizers]), "--base", peer, *(("--at", "50") * is_slow))


def run(options: argparse.Namespace, mode: str) -> list[Path]:
    """Run the benchmark in as many processes as there are parts, and return the files of results."""
    folder = ROOT / "build" / "quality"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{mode}_{part}_of_{options.parts}.json" for part in range(options.parts)]
    command = [
        sys.executable,
        "run.py",
        "--tasks",
        "visible",
        "--optimizers",
        options.optimizers,
        "--only",
        options.only,
    ]
    command += ["--seeds", str(options.seeds), "--workers", str(options.workers)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [*command, "--part", f"{part}/{options.parts}", "--out", str(file)], cwd=BENCHMARK, env=environment
        )
        for part, file in enumerate(files)
    ]
    ended = {process.wait() for process in running}
    if ended != {0}:
        sys.exit("the benchmark did not end well")
    return files


def report(*arguments: Any) -> None:
    """Print the benchmark's own report."""
    subprocess.run([sys.executable, "report.py", *map(str, arguments)], cwd=BENCHMARK, check=True)


def costs() -> None:
    """Print what a suggestion costs on average over a search of 100 trials in ten dimensions, without recording it."""
    from hstore.engine.algorithms import ALGORITHMS
    from hstore.engine.algorithms.history import History
    from hstore.engine.space import compile_space, hp

    space = compile_space({f"x{i}": hp.uniform(f"x{i}", -5, 5) for i in range(N_DIMENSIONS)})
    print(f"one suggestion, mean over {N_TRIALS} trials in {N_DIMENSIONS} dimensions, ms of CPU; median of 3 searches")
    for place, name in enumerate(("auto", "gp", "mtpe", "tpe")):
        ALGORITHMS[name].choose(space, History(space), seed=0)
        seconds = []
        for repeat in range(3):
            history, spent = History(space), 0.0
            for tid in range(N_TRIALS):
                begun = time.process_time()
                point = ALGORITHMS[name].choose(space, history, seed=10_000 * place + 1_000 * repeat + tid)
                spent += time.process_time() - begun
                history.observe(history.add(point), kind="ok", loss=sum((x - 1.0) ** 2 for x in point.values()))
            seconds.append(spent / N_TRIALS)
        print(f"  {name:5s} {1e3 * statistics.median(seconds):6.2f}")


if __name__ == "__main__":
    main()
