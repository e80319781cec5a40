"""A search gives the same bits whatever the CPU can do: run as a script this file prints one, bit by bit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
    __cpu_dispatch__,
    __cpu_features__,
)

from hstore.engine import portable
from hstore.engine.algorithms import ALGORITHMS
from hstore.engine.algorithms.history import History
from hstore.engine.pruners.power_laws import Compared, prospects
from hstore.engine.pruners.step_cells import points
from hstore.engine.space import compile_space, hp

SPACE = {
    "uniform": hp.uniform("uniform", -2, 3),
    "quniform": hp.quniform("quniform", 0, 10, 0.5),
    "uniformint": hp.uniformint("uniformint", 0, 2),
    "loguniform": hp.loguniform("loguniform", -9, 1),
    "qloguniform": hp.qloguniform("qloguniform", -2, 4, 1),
    "normal": hp.normal("normal", 1, 2),
    "qnormal": hp.qnormal("qnormal", 0, 3, 1),
    "lognormal": hp.lognormal("lognormal", 0, 1),
    "qlognormal": hp.qlognormal("qlognormal", 0, 2, 0.5),
    "randint": hp.randint("randint", 5),
    "choice": hp.choice("choice", [0, 1, {"nested": hp.loguniform("nested", 0, 1)}]),
    "pchoice": hp.pchoice("pchoice", [(0.1, 0), (0.6, 1), (0.3, 2)]),
}
FINITE = {label: SPACE[label] for label in ("quniform", "qloguniform", "randint", "pchoice")}

AVX_512 = [name for name in __cpu_dispatch__ if name.startswith(("AVX512", "X86_V4")) and __cpu_features__[name]]
AVX_2 = [name for name in __cpu_dispatch__ if name in ("X86_V3", "AVX2", "FMA3") and __cpu_features__[name]]
OLD_C_LIBRARY = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2"}
MACHINES = {
    "without AVX-512": {"NPY_DISABLE_CPU_FEATURES": " ".join(AVX_512)},
    "without AVX2 and FMA": {"NPY_DISABLE_CPU_FEATURES": " ".join(AVX_512 + AVX_2)},
    "with an older C library": OLD_C_LIBRARY,
    "without any of it": {"NPY_DISABLE_CPU_FEATURES": " ".join(AVX_512 + AVX_2), **OLD_C_LIBRARY},
    "with one thread": {"OPENBLAS_NUM_THREADS": "1"},
}


def search(name: str, n: int) -> list[dict[str, str]]:
    """Return the points of a search as hexadecimal digits; its losses are exact as well."""
    space = compile_space(FINITE if name == "grid" else SPACE)
    history = History(space)
    rng = np.random.default_rng(11)
    points = []
    for tid in range(n):
        point = ALGORITHMS[name].choose(space, history, seed=int(rng.integers(2**31 - 1)))
        points.append({label: float(value).hex() for label, value in point.items()})
        history.add(point)
        loss = 0.0
        for value in point.values():
            loss += (value - 1.25) * (value - 1.25)
        if tid % 9 == 8:
            history.observe(tid, kind="fail")
        elif tid >= 40 and tid % 4:
            history.observe(tid, kind="pruned", loss=loss, step=tid % 4)
        else:
            history.observe(tid, kind="ok", loss=loss)
    return points


def extrapolations() -> Iterable[float]:
    """Yield what some noisy curves are expected to end with, and the deviation of that."""
    x, rng = np.arange(1, 41), np.random.default_rng(14)
    for n in range(4, 24):
        curves = [rng.random() + rng.random() / x + 0.1 * rng.random(40) for _ in range(n)]
        whole = [points(x.tolist(), each.tolist()) for each in curves]
        cut = [points(x[: n // 2].tolist(), each[: n // 2].tolist()) for each in curves]
        found = prospects(Compared(whole[1:], cut[1:], [float(each[-1]) for each in curves[1:]], cut[0]), 40)
        yield from (*found.own, *found.fresh, found.own.chance_below(found.best))


def print_bits() -> None:
    x = np.random.default_rng(12).uniform(-20, 20, 10_000)
    rng = np.random.default_rng(13)
    values: dict[str, Iterable[float]] = {
        "exp": portable.exp(x),
        "log": portable.log(abs(x)),
        "erf": portable.erf(x / 5),
        "exponential": [portable.standard_exponential(rng) for _ in range(20_000)],
        "geometric": [portable.geometric(rng, 0.01) for _ in range(5_000)],
    }
    json.dump(
        {
            "features": [name for name, is_on in __cpu_features__.items() if is_on],
            "searches": {name: search(name, 90) for name, a in ALGORITHMS.items() if a.is_portable},
            "curves": [float(each).hex() for each in extrapolations()],
            "values": {name: [float(y).hex() for y in ys] for name, ys in values.items()},
        },
        sys.stdout,
    )


def run(machine: dict[str, str]) -> dict[str, object]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NPY_", "GLIBC_"))}
    command = [sys.executable, "-W", "error", str(Path(__file__))]
    done = subprocess.run(command, env=environment | machine, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def here() -> dict[str, object]:
    return run({})


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(machine, id=name, marks=() if name == "without any of it" else pytest.mark.long)
        for name, machine in MACHINES.items()
    ],
)
def test_another_machine_finds_the_same_bits(machine: dict[str, str], here: dict[str, object]) -> None:
    there = run(machine)
    disabled = machine.get("NPY_DISABLE_CPU_FEATURES", "").split()
    assert not set(disabled) & set(there["features"])  # type: ignore[call-overload]
    assert there["values"] == here["values"]
    assert there["searches"] == here["searches"]
    assert there["curves"] == here["curves"]


if __name__ == "__main__":
    print_bits()
