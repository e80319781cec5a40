"""Whole processes: imports, the command line, the embedded server."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.table import show, verdict

FIRST_APPEND = """
import sys, time
import hstore
began = time.perf_counter()
store = hstore.open()
store.experiments()
print(time.perf_counter() - began)
store.close()
"""


def whole(*command: str, rounds: int = 9) -> float:
    """Median seconds of a whole process."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def seconds_printed_by(command: list[str]) -> float:
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    python, hstore = sys.executable, str(Path(sys.executable).with_name("hstore"))
    bare = whole(python, "-c", "pass")
    imported = whole(python, "-c", "import hstore") - bare
    imported_all = whole(python, "-c", "from hstore import fmin, hp, tpe, Trials") - bare
    helped = whole(hstore, "--help")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        stop = [hstore, "db", "stop"]
        cold = seconds_printed_by([python, "-c", FIRST_APPEND])
        warms = []
        for _ in range(5):
            subprocess.run(stop, check=True, capture_output=True)  # or the next one would find it still running
            warms.append(seconds_printed_by([python, "-c", FIRST_APPEND]))
        warm = statistics.median(warms)
        subprocess.run([hstore, "db", "start"], check=True, capture_output=True)
        listed = whole(hstore, "ls")
        subprocess.run(stop, check=True, capture_output=True)
    show(
        "Starting, ms",
        [
            ("", "measured", "goal"),
            ("import hstore", f"{imported * 1e3:.0f}", verdict(imported * 1e3, 300)),
            ("from hstore import fmin, hp, tpe, Trials", f"{imported_all * 1e3:.0f}", ""),
            ("hstore --help, whole process", f"{helped * 1e3:.0f}", verdict(helped * 1e3, 150)),
            (
                "hstore ls on a running store, whole process",
                f"{listed * 1e3:.0f}",
                verdict(listed * 1e3, 400),
            ),
            ("embedded server, cold, to an open store", f"{cold * 1e3:.0f}", verdict(cold * 1e3, 2000)),
            ("embedded server, warm, to an open store", f"{warm * 1e3:.0f}", verdict(warm * 1e3, 700)),
        ],
    )
