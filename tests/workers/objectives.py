"""Objectives for workers in processes of their own; those import this module, so it imports little."""

import ctypes
import os
import signal
import sys
import time
from typing import Any

HEAVY = ("numpy", "scipy", "cloudpickle", "tqdm", "hstore.engine.algorithms", "hstore.engine.hyperopt")
"""What takes long to import, and only a search needs."""
ODD = 0.3
"""A point among the first N, at the twelfth."""


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


def raises(config: dict[str, Any]) -> float:
    print("about to fail")
    raise ValueError("no")


def gives_up(config: dict[str, Any]) -> dict[str, Any]:
    return {"status": "fail"}


def prints(config: dict[str, Any]) -> float:
    print("epoch 1", config["x"], flush=True)
    print("\x1b[2Jwarned", file=sys.stderr)
    return 0.0


def attaches_output(config: dict[str, Any], ctrl: Any) -> float:
    print("not mine")
    ctrl.attachments["output"] = "mine"
    return 0.0


def sleeps(config: dict[str, Any]) -> float:
    time.sleep(600)  # something ends it
    return 0.0


def holds_the_gil(config: dict[str, Any]) -> float:
    ctypes.PyDLL(None).usleep(2_500_000)  # a call into C, as of a library that does not let go of the lock
    return 1.0


def slow_once(config: dict[str, Any]) -> float:
    if config["x"] == ODD:
        time.sleep(3)  # longer than what counts as a moment here
    return 0.0


def raises_once(config: dict[str, Any]) -> float:
    if config["x"] == ODD:
        raise ValueError("odd")
    return 0.0


def dies_once(config: dict[str, Any]) -> float:
    if config["x"] == ODD:
        os._exit(7)
    return 0.0


def kills_its_worker(config: dict[str, Any]) -> float:
    if config["x"] == ODD and "SPARED" not in os.environ:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)  # dies with it
    return 0.0


def reports(expr: Any, memo: Any, ctrl: Any) -> float:
    ctrl.report(0, 0.5)
    return 0.0


reports.fmin_pass_expr_memo_ctrl = True  # type: ignore[attr-defined]


def heavy_modules(config: dict[str, Any]) -> dict[str, Any]:
    return {"status": "ok", "loss": 0.0, "loaded": [name for name in HEAVY if name in sys.modules]}
