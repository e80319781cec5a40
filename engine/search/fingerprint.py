"""The fingerprint: what an algorithm's last bits may depend on, recorded beside what it chose."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np


@cache
def fingerprint() -> dict[str, Any]:
    """Return versions, platform, CPU features and the digest of a fixed battery of floating-point operations."""
    return {
        "hstore": version("hstore"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": version("scipy"),
        "machine": platform.machine(),
        "system": platform.system(),
        "cpu": _features(),
        "disabled": os.environ.get("NPY_DISABLE_CPU_FEATURES", ""),
        "battery": _battery(),
    }


def _features() -> list[str]:
    from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found,unused-ignore]

    return sorted(name for name, has in __cpu_features__.items() if has)


def _battery() -> str:
    """Return a digest of what differs between CPUs and libraries in its last bits: exp, log, power, sums, a product."""
    x = np.linspace(-3.0, 3.0, 1001)
    results = [np.exp(x), np.log(np.abs(x) + 0.1), np.power(np.abs(x), 0.3), np.log1p(x + 3.0), np.tanh(x)]
    results += [np.array([x.sum(), x @ np.sin(x)]), x[:900].reshape(30, 30) @ x[101:].reshape(30, 30)]
    return hashlib.sha256(b"".join(r.tobytes() for r in results)).hexdigest()[:16]
